#include "sys/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "sys/file.hpp"

namespace lightv {

Result<Fd> lockDirectory(const std::string& directory, LockKind kind) {
  Result<Fd> fd = openFile(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd;
  while (flock(fd->get(), kind == LockKind::exclusive ? LOCK_EX : LOCK_SH) != 0) {
    if (errno != EINTR) return Error{"lock", errno, directory};
  }
  return fd;
}

}  // namespace lightv
