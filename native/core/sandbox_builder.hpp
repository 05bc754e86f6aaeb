// Carries a plan out in the child: from a fresh set of namespaces to a root of its own. Alloc-free.
#pragma once

#include <vector>

#include "core/operation.hpp"
#include "core/report.hpp"
#include "core/root_fs.hpp"

namespace lightv {

class SandboxBuilder {
 public:
  /** How an overlay marks what its upper layer hides. */
  enum class Marks { trusted, user };

  SandboxBuilder(int rootMount, Marks marks, const Reporter& reporter)
      : root_(rootMount), rootFd_(rootMount), marks_(marks), reporter_(reporter) {}

  /** All of them in order. A failure is told through the reporter and ends the process. */
  void run(const std::vector<Operation>& operations);

 private:
  /** 0, or -1 with errno. */
  int execute(const Operation& operation);
  int attachRoot(const Operation& operation);
  int attachOverlay(const Operation& operation);
  int mountFileSystem(const Operation& operation);
  int bind(const Operation& operation);
  int attachNodes(const Operation& operation);
  int makeDevice(const Operation& operation);
  int makeLink(const Operation& operation);
  int bindFile(const Operation& operation);
  int writeSysctl(const Operation& operation);
  int makeEmpty();
  void forgetEmpty() const;
  int hide(const Operation& operation);
  int protect(const Operation& operation);
  int seal(const Operation& operation);
  [[nodiscard]] bool mayCover(int target) const;
  /** The sandbox's own mount that a fresh operation's target lies in, and the target's name there. */
  [[nodiscard]] int placeOf(const Operation& operation, const char** name) const;
  int attachFresh(int mount, const Operation& operation, bool isDirectory);
  int attachTree(int tree, int target, std::uint64_t attributes, bool recursive);
  int openNull();
  int bindNull(int target);
  int pivot() const;

  RootFs root_;
  int rootFd_;
  Marks marks_;
  bool ownNodes_ = false;  // devices are bound from a file system of the sandbox's own
  const Reporter& reporter_;
  int dev_ = -1, groups_ = -1;  // the sandbox's own /dev and /sys/fs/cgroup
  int empty_ = -1, null_ = -1;  // what masked directories share, and masked files
};

}  // namespace lightv
