// Another process's namespaces, to be entered by a child.
#pragma once

#include <sys/types.h>

#include <array>

#include "core/report.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Opened before there is a child, so that it need not allocate. */
class Namespaces {
 public:
  /** Of `pid`, held by a pidfd: open() comes next. ESRCH: it has ended. */
  static Result<Namespaces> of(pid_t pid);

  /** Those that `flags` names (CLONE_NEW*). */
  Status open(int flags);
  /** Whose they are is still there, so what was found at its pid since of() is its own. */
  [[nodiscard]] bool isOwnerThere() const;
  /** Of the user namespace, if that was opened; -1. */
  [[nodiscard]] int userNamespace() const { return files_[0].get(); }
  /** Enters all of them; the caller has one thread. Fails through `reporter`. Alloc-free. */
  void enter(const Reporter& reporter) const;

 private:
  static constexpr std::size_t kCount = 7;
  pid_t pid_ = 0;
  Fd pidfd_;
  std::array<Fd, kCount> files_;  // for kernels whose setns(2) takes no pidfd
  int flags_ = 0;
};

}  // namespace lightv
