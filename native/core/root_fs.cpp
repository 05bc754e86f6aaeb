#include "core/root_fs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "sys/fd.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/**
 * openat2(RESOLVE_IN_ROOT) by hand, for kernels before 5.6: one component at a time, each opened without following,
 * links read and put in front of what is left, the way back up kept as a stack so that ".." never asks the kernel.
 */
class Walker {
 public:
  explicit Walker(int root) : root_(root) {}
  Walker(const Walker&) = delete;
  Walker& operator=(const Walker&) = delete;
  ~Walker() {
    while (depth_ > 0) pop();
  }

  int open(const char* path, int flags, mode_t mode) {
    if (!setPending(path, "")) return -1;
    char name[NAME_MAX + 1];
    bool more = true;
    while (nextName(name, more)) {
      if (std::strcmp(name, "..") == 0) {
        if (depth_ > 0) pop();
        continue;
      }
      const int child = ::openat(top(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (child < 0) {
        if (errno != ENOENT || more || (flags & O_CREAT) == 0) return -1;
        return ::openat(top(), name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
      }
      if (!enter(child, name, more, flags)) return -1;
      if (found_) return reopen(name, flags);
    }
    if (errno != 0) return -1;
    return ::openat(top(), ".", flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW), mode);
  }

 private:
  static constexpr int maxDepth = 128;
  static constexpr int maxLinks = 40;  // as the kernel's MAXSYMLINKS

  [[nodiscard]] int top() const { return depth_ == 0 ? root_ : stack_[depth_ - 1]; }
  void pop() { ::close(stack_[--depth_]); }

  bool setPending(const char* first, const char* rest) {
    // By way of a second buffer: `rest` points into pending_.
    char joined[PATH_MAX];
    const int length = std::snprintf(joined, sizeof joined, "%s/%s", first, rest);
    if (length < 0 || static_cast<std::size_t>(length) >= sizeof joined) {
      errno = ENAMETOOLONG;
      return false;
    }
    std::memcpy(pending_, joined, sizeof joined);
    next_ = pending_;
    return true;
  }

  // Gives the next component that is not "."; `more` tells whether another follows. errno is 0 at the end.
  bool nextName(char* name, bool& more) {
    errno = 0;
    for (;;) {
      while (*next_ == '/') next_++;
      if (*next_ == '\0') return false;
      const std::size_t length = std::strcspn(next_, "/");
      if (length > NAME_MAX) {
        errno = ENAMETOOLONG;
        return false;
      }
      std::memcpy(name, next_, length);
      name[length] = '\0';
      next_ += length;
      more = next_[std::strspn(next_, "/")] != '\0';
      if (std::strcmp(name, ".") != 0) return true;
    }
  }

  bool enter(int child, const char* name, bool more, int flags) {
    struct stat info {};
    if (::fstat(child, &info) < 0) {
      ::close(child);
      return false;
    }
    if (S_ISLNK(info.st_mode) && (more || (flags & O_NOFOLLOW) == 0)) {
      ::close(child);
      return follow(name);
    }
    if (!more) {
      ::close(child);
      found_ = true;
      return true;
    }
    if (!S_ISDIR(info.st_mode) || depth_ == maxDepth) {
      ::close(child);
      errno = S_ISDIR(info.st_mode) ? ELOOP : ENOTDIR;
      return false;
    }
    stack_[depth_++] = child;
    return true;
  }

  bool follow(const char* name) {
    char link[PATH_MAX];
    if (++links_ > maxLinks) {
      errno = ELOOP;
      return false;
    }
    const ssize_t length = ::readlinkat(top(), name, link, sizeof link - 1);
    if (length < 0) return false;
    link[length] = '\0';
    if (link[0] == '/') {
      while (depth_ > 0) pop();
    }
    return setPending(link, next_);
  }

  // O_NOFOLLOW: what was looked at as no link must not have become one meanwhile.
  [[nodiscard]] int reopen(const char* name, int flags) const {
    return ::openat(top(), name, (flags & ~O_CREAT) | O_NOFOLLOW | O_CLOEXEC);
  }

  int root_;
  int stack_[maxDepth];
  int depth_ = 0;
  int links_ = 0;
  bool found_ = false;
  char pending_[PATH_MAX];
  const char* next_ = pending_;
};

}  // namespace

int RootFs::open(const char* path, int flags, mode_t mode) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: somebody renames on the way and the kernel can't be sure where ".." leads; openat2(2) says try again.
  for (int attempt = 0; attempt < 64; attempt++) {
    const int fd = sys::openat2(root_, path, how);
    if (fd >= 0 || (errno != EAGAIN && errno != ENOSYS)) return fd;
    if (errno == ENOSYS) return Walker(root_).open(path, flags | O_CLOEXEC, mode);
  }
  return -1;
}

bool RootFs::has(const char* path) const {
  const Fd fd(open(path, O_PATH));
  return fd.valid();
}

int RootFs::makeDirs(const char* path) const {
  const int there = open(path, O_PATH | O_DIRECTORY);
  if (there >= 0 || errno != ENOENT) return there;
  const char* name = nullptr;
  const Fd parent(openParent(path, true, &name));
  if (!parent) return -1;
  char last[NAME_MAX + 1];
  const std::size_t length = std::strcspn(name, "/");
  if (length == 0 || length > NAME_MAX) {
    errno = length == 0 ? ENOENT : ENAMETOOLONG;
    return -1;
  }
  std::memcpy(last, name, length);
  last[length] = '\0';
  if (::mkdirat(parent.get(), last, 0755) < 0 && errno != EEXIST) return -1;
  return open(path, O_PATH | O_DIRECTORY);
}

int RootFs::makeFile(const char* path) const {
  const int there = open(path, O_PATH);
  if (there >= 0 || errno != ENOENT) return there;
  // By the whole path: a link that leads nowhere yet (Debian's /etc/resolv.conf) gets its target.
  Fd made(open(path, O_WRONLY | O_CREAT | O_NOCTTY, 0644));
  if (!made && errno == ENOENT) {
    const char* name = nullptr;
    const Fd parent(openParent(path, true, &name));
    if (!parent) return -1;
    made.reset(open(path, O_WRONLY | O_CREAT | O_NOCTTY, 0644));
  }
  return made ? open(path, O_PATH) : -1;
}

// The directory that holds the last component, made when missing if asked; `name` points to that component.
int RootFs::openParent(const char* path, bool make, const char** name) const {
  std::size_t end = std::strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  std::size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  *name = path + start;
  char parent[PATH_MAX];
  if (start + 1 > sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(parent, path, start);
  parent[start] = '\0';
  const char* text = start == 0 ? "/" : parent;
  return make ? makeDirs(text) : open(text, O_PATH | O_DIRECTORY);
}

}  // namespace lightv
