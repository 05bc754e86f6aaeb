// The only code that resolves a path inside a sandbox's root. The same class of escape came back in other runtimes
// year after year (CVE-2019-19921, 2021-30465, 2023-28642, 2025-31133, 2026-41579) because each fix was local.
#pragma once

#include <sys/types.h>

namespace lightv {

/**
 * A directory as the root of every path given here: links, absolute ones too, and ".." end inside it, and magic links
 * of /proc are refused. All functions return a descriptor or 0, or -1 with errno; none allocates, so that they may
 * run between clone and exec.
 */
class RootFs {
 public:
  /** Does not own `rootFd`. */
  explicit RootFs(int rootFd) : root_(rootFd) {}

  /** open(2) inside, always with O_CLOEXEC. With O_CREAT only the last part may be missing. */
  [[nodiscard]] int open(const char* path, int flags, mode_t mode = 0) const;
  /** Like `mkdir -p`: returns an O_PATH descriptor of the directory. New ones are 0755. */
  [[nodiscard]] int makeDirs(const char* path) const;
  /** An empty file for something to be mounted on, and the directories above it: an O_PATH descriptor. */
  [[nodiscard]] int makeFile(const char* path) const;
  /** readlink-free test: is there anything? */
  [[nodiscard]] bool has(const char* path) const;
  [[nodiscard]] int fd() const { return root_; }

 private:
  [[nodiscard]] int openParent(const char* path, bool make, const char** name) const;
  int root_;
};

}  // namespace lightv
