// The end of a child.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>

namespace lightv::sys {

/** Waits for a child and reaps it: its exit code, as a shell has it 128 and the signal that killed it, -1 with errno.
 */
inline int awaitExit(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace lightv::sys
