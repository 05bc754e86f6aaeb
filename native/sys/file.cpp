#include "sys/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "sys/syscalls.hpp"

namespace lightv {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

bool isDots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// mkstemp wants a writable template and sets no O_CLOEXEC; this is the same with a name that tells whose it is.
Result<Fd> openTemporary(const std::string& path, mode_t mode, std::string& nameOut) {
  for (int attempt = 0; attempt < 100; attempt++) {
    unsigned long long random = 0;
    if (sys::randomBytes(&random, sizeof random) < 0) return Error{"getrandom", errno, path};
    char suffix[32];
    (void)std::snprintf(suffix, sizeof suffix, ".%016llx.tmp", random);
    nameOut = path + suffix;
    const int fd = ::open(nameOut.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EEXIST) return Error{"create", errno, nameOut};
  }
  return Error{"create", EEXIST, nameOut};
}

Status fillTemporary(int fd, std::string_view data, mode_t mode, Durable durable, const std::string& name) {
  if (Status written = writeAll(fd, data, name); !written) return written;
  if (::fchmod(fd, mode) < 0) return Error{"chmod", errno, name};
  if (durable == Durable::yes && ::fsync(fd) < 0) return Error{"fsync", errno, name};
  return {};
}

// EXDEV for a mount point, also of the same device; kernels before 5.6 are left with the comparison of st_dev.
int openSameMount(int dirFd, const char* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  const int fd = sys::openat2(dirFd, name, how);
  return fd >= 0 || errno != ENOSYS ? fd : ::openat(dirFd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

Status removeEntry(int dirFd, const char* name, dev_t device, const std::string& path);

// Directory descriptors only, so that nobody can swap a link in between the look and the removal.
Status removeChildren(int fd, dev_t device, const std::string& path) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  Dir dir(copy < 0 ? nullptr : ::fdopendir(copy));
  if (!dir) {
    const int err = errno;
    if (copy >= 0) ::close(copy);
    return Error{"open directory", err, path};
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    if (isDots(entry->d_name)) continue;
    if (Status removed = removeEntry(fd, entry->d_name, device, path + "/" + entry->d_name); !removed) return removed;
  }
  return {};
}

Status removeEntry(int dirFd, const char* name, dev_t device, const std::string& path) {
  if (::unlinkat(dirFd, name, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return Error{"remove", errno, path};
  const Fd child(openSameMount(dirFd, name));
  if (!child && errno == EXDEV) return Error{"remove", EBUSY, path, "something is mounted there: unmount it first"};
  if (!child) return errno == ENOENT ? Status() : Status(Error{"remove", errno, path});
  struct stat info {};
  if (::fstat(child.get(), &info) < 0) return Error{"stat", errno, path};
  if (info.st_dev != device) return Error{"remove", EBUSY, path, "something is mounted there: unmount it first"};
  if (Status emptied = removeChildren(child.get(), device, path); !emptied) return emptied;
  if (::unlinkat(dirFd, name, AT_REMOVEDIR) < 0 && errno != ENOENT) return Error{"remove", errno, path};
  return {};
}

}  // namespace

Result<Fd> openFile(const std::string& path, int flags, mode_t mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return Error{"open", errno, path};
  return fd;
}

Result<std::string> readDescriptor(int fd, const std::string& name, std::size_t maxBytes) {
  std::string data;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{"read", errno, name};
    if (got == 0) return data;
    if (data.size() + static_cast<std::size_t>(got) > maxBytes) return Error{"read", EFBIG, name};
    data.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> readFile(const std::string& path, std::size_t maxBytes) {
  Result<Fd> fd = openFile(path, O_RDONLY);
  if (!fd) return fd.error();
  return readDescriptor(fd->get(), path, maxBytes);
}

Status writeAll(int fd, std::string_view data, const std::string& name) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error{"write", errno, name};
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status writeControlFile(const std::string& path, std::string_view data) {
  Result<Fd> fd = openFile(path, O_WRONLY);
  if (!fd) return fd.error();
  if (::write(fd->get(), data.data(), data.size()) < 0) {
    return Error{"write", errno, path + ": \"" + std::string(data) + "\""};
  }
  return {};
}

Status writeFileAtomic(const std::string& path, std::string_view data, mode_t mode, Durable durable) {
  std::string name;
  Result<Fd> fd = openTemporary(path, mode, name);
  if (!fd) return fd.error();
  Status status = fillTemporary(fd->get(), data, mode, durable, name);
  if (status.ok() && ::rename(name.c_str(), path.c_str()) < 0) status = Error{"rename", errno, path};
  if (!status) {
    (void)::unlink(name.c_str());
    return status;
  }
  return durable == Durable::yes ? syncDir(parentPath(path)) : Status();
}

Status makeDirs(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  if (errno == ENOENT && path != parentPath(path)) {
    if (Status made = makeDirs(parentPath(path), mode); !made) return made;
    if (::mkdir(path.c_str(), mode) == 0) return {};
  }
  struct stat info {};
  const int err = errno;
  if (err == EEXIST && ::stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? Status() : Status(Error{"make directory", ENOTDIR, path});
  }
  return Error{"make directory", err, path};
}

Status removeTree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0) {
    return errno == ENOENT ? Status() : Status(Error{"stat", errno, path});
  }
  const Fd parent(::open(parentPath(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return Error{"open directory", errno, parentPath(path)};
  return removeEntry(parent.get(), path.c_str() + path.rfind('/') + 1, info.st_dev, path);
}

Result<std::vector<std::string>> listDir(const std::string& path) {
  const Dir dir(::opendir(path.c_str()));
  if (!dir) return Error{"open directory", errno, path};
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (!isDots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return Error{"read directory", errno, path};
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Result<bool> liesOnOverlay(const std::string& path) {
  struct statfs fs {};
  if (::statfs(path.c_str(), &fs) != 0) return Error{"statfs", errno, path};
  return static_cast<unsigned long>(fs.f_type) == OVERLAYFS_SUPER_MAGIC;
}

Status syncDir(const std::string& path) {
  Result<Fd> fd = openFile(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  if (::fsync(fd->get()) < 0) return Error{"fsync", errno, path};
  return {};
}

std::string parentPath(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace lightv
