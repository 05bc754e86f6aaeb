// The one thin layer over raw system calls: what glibc lacks or wraps in a way that is wrong between clone and exec
// (setresuid(2) of glibc signals all threads of a process that the child no longer has). Each sets errno and returns
// -1 as libc does; fallbacks are the caller's business. Tests can make a call fail with ENOSYS.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace lightv::sys {

/** The calls that old kernels lack, and so tests can take away. */
enum class Call : std::uint32_t {
  clone3 = 1U << 0,
  openat2 = 1U << 1,
  openTree = 1U << 2,
  moveMount = 1U << 3,
  fsopen = 1U << 4,
  mountSetattr = 1U << 5,
  pidfdOpen = 1U << 6,
  closeRange = 1U << 7,
  setnsPidfd = 1U << 8,
  landlock = 1U << 9,
  cloneDetached = 1U << 10,  // open_tree(2) of a mount that is attached nowhere
};

/** Bits of the calls that fail with ENOSYS. For tests alone; MissingCall sets it back. */
inline std::atomic<std::uint32_t> missingCalls{0};

/** Takes a system call away for the life of this object. */
class MissingCall {
 public:
  explicit MissingCall(Call call) : bit_(static_cast<std::uint32_t>(call)) { missingCalls |= bit_; }
  ~MissingCall() { missingCalls &= ~bit_; }
  MissingCall(const MissingCall&) = delete;
  MissingCall& operator=(const MissingCall&) = delete;

 private:
  std::uint32_t bit_;
};

inline bool isMissing(Call call) {
  if ((missingCalls.load(std::memory_order_relaxed) & static_cast<std::uint32_t>(call)) == 0) return false;
  errno = ENOSYS;
  return true;
}

inline long clone3(clone_args* args, std::size_t size) {
  return isMissing(Call::clone3) ? -1 : ::syscall(SYS_clone3, args, size);
}
/** fork-like clone(2): no new stack. The argument order differs by architecture; only flags are given here. */
inline long cloneFlags(unsigned long flags) {
  return ::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
}

inline int openat2(int dir, const char* path, const open_how& how) {
  return isMissing(Call::openat2) ? -1 : static_cast<int>(::syscall(SYS_openat2, dir, path, &how, sizeof how));
}
inline int openTree(int dir, const char* path, unsigned flags) {
  return isMissing(Call::openTree) ? -1 : static_cast<int>(::syscall(SYS_open_tree, dir, path, flags));
}
inline int moveMount(int fromDir, const char* from, int toDir, const char* to, unsigned flags) {
  return isMissing(Call::moveMount) ? -1 : static_cast<int>(::syscall(SYS_move_mount, fromDir, from, toDir, to, flags));
}
inline int fsOpen(const char* type) {
  return isMissing(Call::fsopen) ? -1 : static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}
inline int fsPick(int fd) {
  return static_cast<int>(::syscall(SYS_fspick, fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH));
}
inline int fsConfig(int fd, unsigned command, const char* key, const void* value, int aux) {
  return static_cast<int>(::syscall(SYS_fsconfig, fd, command, key, value, aux));
}
inline int fsMount(int fd, unsigned attributes) {
  return static_cast<int>(::syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes));
}
inline int mountSetattr(int dir, const char* path, unsigned flags, const mount_attr& attributes) {
  return isMissing(Call::mountSetattr)
             ? -1
             : static_cast<int>(::syscall(SYS_mount_setattr, dir, path, flags, &attributes, sizeof attributes));
}
inline int pidfdOpen(pid_t pid) {
  return isMissing(Call::pidfdOpen) ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
inline int pidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}
/** setns(2) with a pidfd and several namespaces at once (5.8). */
inline int setnsPidfd(int pidfd, int flags) {
  return isMissing(Call::setnsPidfd) ? -1 : static_cast<int>(::syscall(SYS_setns, pidfd, flags));
}
inline int closeRange(unsigned first, unsigned last, unsigned flags) {
  return isMissing(Call::closeRange) ? -1 : static_cast<int>(::syscall(SYS_close_range, first, last, flags));
}
inline int pivotRoot(const char* newRoot, const char* putOld) {
  return static_cast<int>(::syscall(SYS_pivot_root, newRoot, putOld));
}
inline long keyctl(int command, const char* name) {
  return ::syscall(SYS_keyctl, command, name, 0, 0, 0);
}
inline int setGroups(std::size_t count, const gid_t* groups) {
  return static_cast<int>(::syscall(SYS_setgroups, count, groups));
}
inline int setResGid(gid_t gid) {
  return static_cast<int>(::syscall(SYS_setresgid, gid, gid, gid));
}
inline int setResUid(uid_t uid) {
  return static_cast<int>(::syscall(SYS_setresuid, uid, uid, uid));
}
inline int capSet(const void* header, const void* data) {
  return static_cast<int>(::syscall(SYS_capset, header, data));
}
inline int capGet(void* header, void* data) {
  return static_cast<int>(::syscall(SYS_capget, header, data));
}
inline int seccomp(unsigned operation, unsigned flags, const void* arguments) {
  return static_cast<int>(::syscall(SYS_seccomp, operation, flags, arguments));
}
/** A ruleset's descriptor, or with LANDLOCK_CREATE_RULESET_VERSION the interface's version (5.13). */
inline int landlockCreateRuleset(const void* attributes, std::size_t size, unsigned flags) {
  return isMissing(Call::landlock) ? -1
                                   : static_cast<int>(::syscall(SYS_landlock_create_ruleset, attributes, size, flags));
}
inline int landlockAddRule(int ruleset, int type, const void* rule) {
  return static_cast<int>(::syscall(SYS_landlock_add_rule, ruleset, type, rule, 0));
}
inline int landlockRestrictSelf(int ruleset) {
  return static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset, 0));
}
inline ssize_t randomBytes(void* buffer, std::size_t size) {
  return ::syscall(SYS_getrandom, buffer, size, 0);
}

}  // namespace lightv::sys
