// vfork(2) for functions that do more in the child than execute a program.
#pragma once

#include <sched.h>
#include <sys/syscall.h>

#include <csignal>

#include "sys/raw_call.hpp"

namespace lightv::sys {

/**
 * A child that has this thread's memory and stack, while this thread waits until it executes or ends: its pid, 0 in the
 * child, or a negative errno. Inlined, and not the C library's: to a function's frame nobody could return twice. The
 * child does all it does in calls from where it is born, allocates nothing and has descriptors and handlers of its own.
 */
inline __attribute__((always_inline)) long vforkHere() {
  return rawCall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
}

}  // namespace lightv::sys
