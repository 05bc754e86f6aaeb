#include "sys/vfork.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "sys/raw_call.hpp"

namespace lightv::sys {

// Here, and never inlined: the compiler knows nothing of a call that returns twice. All that the child writes it writes
// in a frame of its own, or behind a pointer whose target has escaped. Not the C library's vfork(): to the frame of a
// function nobody could return a second time.
[[gnu::noinline]] pid_t vforkCall(void (*child)(void* context), void* context) {
  const long pid = rawCall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
  if (pid == 0) {
    child(context);
    ::_exit(127);
  }
  if (pid > 0) return static_cast<pid_t>(pid);
  errno = static_cast<int>(-pid);
  return -1;
}

}  // namespace lightv::sys
