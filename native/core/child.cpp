#include "core/child.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "sys/syscalls.hpp"
#include "sys/wait.hpp"

namespace lightv {

pid_t cloneProcess(std::uint64_t flags) {
  // With CLONE_PARENT the signal is the one of the parent itself.
  return static_cast<pid_t>(sys::cloneFlags(flags | ((flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD)));
}

void joinCgroups(std::span<const Fd> procs, const Reporter& reporter) {
  for (const Fd& file : procs) {
    if (::write(file.get(), "0", 1) < 0) reporter.fail("join cgroup", "cgroup.procs", errno);
  }
}

void becomeNamespaceRoot(const Reporter& reporter) {
  if (sys::setResGid(0) < 0) reporter.fail("setgid", "in the user namespace", errno);
  if (sys::setGroups(0, nullptr) < 0) reporter.fail("setgroups", "in the user namespace", errno);
  if (sys::setResUid(0) < 0) reporter.fail("setuid", "in the user namespace", errno);
}

void adjustOomScore(int adjustment, const Reporter& reporter) {
  char text[16];
  char now[16] = {};
  const int length = std::snprintf(text, sizeof text, "%d", adjustment);
  const Fd file(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  // "-900\n"
  const ssize_t got = file ? ::read(file.get(), now, sizeof now - 1) : 0;
  if (got == length + 1 && std::strncmp(now, text, static_cast<std::size_t>(length)) == 0) return;
  if (file && ::write(file.get(), text, static_cast<std::size_t>(length)) >= 0) return;
  // 0 is nobody's wish: a caller of a desktop's session has more, and a user namespace may not go below that.
  if (adjustment != 0) reporter.warn("oom_score_adj", text, errno);
}

void discardChild(pid_t pid) {
  (void)::kill(pid, SIGKILL);
  (void)sys::awaitExit(pid);
}

}  // namespace lightv
