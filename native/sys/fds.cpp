#include "sys/fds.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** The kernel's linux_dirent64 (getdents64(2)), up to its name. */
struct Entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  unsigned char type;
};
constexpr std::size_t kNameAt = offsetof(Entry, type) + 1;

using Act = void (*)(int fd);

void closeNow(int fd) {
  (void)::close(fd);
}

void closeAtExec(int fd) {
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/** On those that are open; a limit of half a million descriptors is usual, and as many calls take their time. */
bool onListed(unsigned from, unsigned to, Act act) {
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  struct statfs system {};
  if (::fstatfs(directory, &system) != 0 || system.f_type != PROC_SUPER_MAGIC) {
    (void)::close(directory);
    return false;
  }
  alignas(Entry) char buffer[4096];
  for (long got = 0; (got = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < got;) {
      Entry entry{};
      std::memcpy(&entry, buffer + at, kNameAt);
      const char* name = buffer + at + kNameAt;
      const auto fd = static_cast<unsigned>(std::strtoul(name, nullptr, 10));
      const bool isNumber = name[0] >= '0' && name[0] <= '9';
      if (isNumber && fd >= from && fd <= to && fd != static_cast<unsigned>(directory)) act(static_cast<int>(fd));
      at += entry.length;
    }
  }
  (void)::close(directory);
  return true;
}

/** Before 5.9 one by one; before 5.11 without CLOSE_RANGE_CLOEXEC. */
void onSpan(unsigned from, unsigned to, unsigned flags, Act act) {
  if (from > to || sys::closeRange(from, to, flags) == 0 || onListed(from, to, act)) return;
  const long most = ::sysconf(_SC_OPEN_MAX);
  for (unsigned fd = from; fd <= to && fd < static_cast<unsigned>(most); fd++) act(static_cast<int>(fd));
}

}  // namespace

void closeSpan(unsigned from, unsigned to) {
  onSpan(from, to, 0, closeNow);
}

void closeSpanAtExec(unsigned from, unsigned to) {
  onSpan(from, to, CLOSE_RANGE_CLOEXEC, closeAtExec);
}

void closeAllBut(std::initializer_list<int> kept) {
  std::vector<int> sorted(kept);
  std::sort(sorted.begin(), sorted.end());
  unsigned from = 3;
  for (const int fd : sorted) {
    if (fd < static_cast<int>(from)) continue;
    if (fd > static_cast<int>(from)) closeSpan(from, static_cast<unsigned>(fd) - 1);
    from = static_cast<unsigned>(fd) + 1;
  }
  closeSpan(from, UINT_MAX);
}

}  // namespace lightv
