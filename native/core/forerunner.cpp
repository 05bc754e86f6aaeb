#include "core/forerunner.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "sys/raw_call.hpp"
#include "sys/syscalls.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

long address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

/** Returns at once when the word is not `seen` any more. */
void sleepWhile(std::atomic<std::uint32_t>& word, std::uint32_t seen, const timespec* longest) {
  (void)sys::rawCall(SYS_futex, address(&word), FUTEX_WAIT_PRIVATE, static_cast<long>(seen), address(longest));
}

}  // namespace

void Forerunner::pass(Stage stage) {
  stage_.store(stage, std::memory_order_release);
  (void)sys::rawCall(SYS_futex, address(&stage_), FUTEX_WAKE_PRIVATE, 1);
}

/** Of the caller's side: somebody may kill it, and then nobody would wake us. */
void Forerunner::await(Stage stage) {
  static constexpr timespec kLook{0, 200'000'000};
  for (;;) {
    const std::uint32_t seen = stage_.load(std::memory_order_acquire);
    if (seen >= stage) return;
    sleepWhile(stage_, seen, &kLook);
    if (::waitpid(pid_, nullptr, WNOHANG) != pid_) continue;
    pid_ = -1;
    // It may have done it, and ended, just now.
    if (stage_.load(std::memory_order_acquire) < stage) answer_ = -ESRCH;
    return;
  }
}

Status Forerunner::begin(std::uint64_t namespaces) {
  end();
  stage_ = begun;
  parent_ = ::getpid();
  namespaces_ = namespaces;
  // The same for it and for what it clones: clone(2), "CLONE_PARENT".
  const int flags = CLONE_VM | CLONE_FILES | SIGCHLD;
  pid_ = ::clone(run, stack_.data() + stack_.size(), flags, this);
  return pid_ > 0 ? Status() : Status(Error{"clone", errno, "a process that makes namespaces"});
}

int Forerunner::awaitNamespaces() {
  await(unshared);
  return static_cast<int>(-answer_);
}

pid_t Forerunner::clone(std::uint64_t flags, int cgroupDirectory, Main main, void* context) {
  if (pid_ <= 0) {
    errno = ESRCH;
    return -1;
  }
  arguments_ = {};
  arguments_.flags = flags | CLONE_PARENT | (cgroupDirectory >= 0 ? CLONE_INTO_CGROUP : 0U);
  arguments_.cgroup = cgroupDirectory >= 0 ? static_cast<std::uint64_t>(cgroupDirectory) : 0;
  usesClone3_ = !sys::isMissing(sys::Call::clone3);
  main_ = main;
  context_ = context;
  pass(ordered);
  await(cloned);
  if (pid_ > 0) (void)::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  if (answer_ > 0) return static_cast<pid_t>(answer_);
  errno = static_cast<int>(-answer_);
  return -1;
}

void Forerunner::end() {
  if (pid_ <= 0) return;
  (void)::kill(pid_, SIGKILL);
  (void)sys::awaitExit(pid_);
  pid_ = -1;
}

// ENOSYS: before 5.3, or a filter hides it. E2BIG, EINVAL, EBUSY, EACCES: no CLONE_INTO_CGROUP (5.7), or not there.
long Forerunner::cloneChild() {
  bool joined = (arguments_.flags & CLONE_INTO_CGROUP) != 0;
  long child = usesClone3_ ? sys::rawCall(SYS_clone3, address(&arguments_), sizeof arguments_) : -ENOSYS;
  if (child < 0) {
    joined = false;
    const std::uint64_t plain = arguments_.flags & ~CLONE_INTO_CGROUP;
    child = sys::rawCall(SYS_clone, static_cast<long>(plain));
  }
  // In the child this object is a copy, and errno its own.
  if (child == 0) main_(context_, joined);
  return child;
}

/** The process itself. */
int Forerunner::run(void* context) {
  Forerunner& self = *static_cast<Forerunner*>(context);
  (void)sys::rawCall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  const bool wanted = sys::rawCall(SYS_getppid) == self.parent_;
  self.answer_ = wanted ? sys::rawCall(SYS_unshare, static_cast<long>(self.namespaces_)) : -ESRCH;
  const bool made = self.answer_ == 0;
  self.pass(unshared);
  while (made && self.stage_.load(std::memory_order_acquire) != ordered) sleepWhile(self.stage_, unshared, nullptr);
  if (made) {
    self.answer_ = self.cloneChild();
    self.pass(cloned);
  }
  (void)sys::rawCall(SYS_exit_group, 0);
  __builtin_unreachable();
}

}  // namespace lightv
