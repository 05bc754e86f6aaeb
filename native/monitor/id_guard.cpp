#include "monitor/id_guard.hpp"

#include <fcntl.h>

#include <cerrno>

#include "core/user_namespace.hpp"

namespace lightv {
namespace {

constexpr const char* kFile = "/run/lightv.ids";

}  // namespace

bool guardIds(std::uint32_t base, Fd& guard) {
  guard.reset(::open(kFile, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!guard) return true;
  // A byte for each id, of a file that has none: ranges that begin elsewhere are seen to overlap too. Not a POSIX lock,
  // which the monitor would lose by closing any other descriptor of the file.
  struct flock ids {};
  ids.l_type = F_WRLCK;
  ids.l_whence = SEEK_SET;
  ids.l_start = base;
  ids.l_len = kIdRangeSize;
  if (::fcntl(guard.get(), F_OFD_SETLK, &ids) == 0) return true;
  const bool taken = errno == EAGAIN || errno == EACCES;
  guard.reset();
  return !taken;
}

}  // namespace lightv
