// A process that makes a sandbox's namespaces while its parent prepares the rest, and then clones the sandbox's PID 1.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "sys/result.hpp"

namespace lightv {

/**
 * To make a network namespace takes as long as to prepare a cgroup in each hierarchy, and both only keep one processor
 * busy. So a process that shares the caller's memory and descriptors (clone(2), CLONE_VM and CLONE_FILES) makes the
 * namespaces by unshare(2). It has the caller's errno too, and so calls nothing of the C library.
 *
 * Its stack is a part of this object, which therefore lives in a frame of the caller's that outlives PID 1's clone:
 * PID 1 goes on on a copy of it, and what it knows of its stack's bounds stays true.
 */
class Forerunner {
 public:
  using Main = void (*)(void* context, bool joinedCgroup);

  Forerunner() {}  // not "= default": the stack stays as it is
  Forerunner(const Forerunner&) = delete;
  Forerunner& operator=(const Forerunner&) = delete;
  /** Ends it, if it has not cloned. */
  ~Forerunner() { end(); }

  /** Starts it; it makes namespaces of these kinds (CLONE_NEW*; not CLONE_NEWPID). Ends one that was begun before. */
  Status begin(std::uint64_t namespaces);
  [[nodiscard]] bool hasBegun() const { return pid_ > 0; }
  /** Waits for it. 0, or the errno of unshare(2). */
  int awaitNamespaces();
  /** Valid until clone(): whose /proc/PID/uid_map is to be written. */
  [[nodiscard]] pid_t pid() const { return pid_; }
  /**
   * Has it clone a child of the caller's in those namespaces and, with `flags`, in more of its own; into the v2 cgroup
   * where there is one and the kernel can (clone3(2), 5.7). The child runs `main`, which does not return. Gives its
   * pid, or -1 with errno. The forerunner has ended then.
   */
  pid_t clone(std::uint64_t flags, int cgroupDirectory, Main main, void* context);

 private:
  /** In this order. Each is set by one side, and the other waits for it. */
  enum Stage : std::uint32_t { begun, unshared, ordered, cloned };

  static int run(void* self);
  long cloneChild();
  void pass(Stage stage);
  void await(Stage stage);
  void end();

  pid_t pid_ = -1, parent_ = -1;
  std::atomic<std::uint32_t> stage_{begun};
  std::uint64_t namespaces_ = 0;
  long answer_ = 0;  // of the last stage: a pid, 0, or a negative errno
  clone_args arguments_{};
  Main main_ = nullptr;
  void* context_ = nullptr;
  bool usesClone3_ = true;
  alignas(64) std::array<char, 128U << 10> stack_;  // NOLINT: never read before it is written
};

}  // namespace lightv
