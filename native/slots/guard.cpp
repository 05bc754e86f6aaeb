#include "slots/guard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "sys/fd.hpp"
#include "sys/fds.hpp"
#include "sys/syscalls.hpp"
#include "sys/time.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** False when the deadline came first. */
bool waitForEnd(int pidfd, std::uint64_t deadlineUs) {
  for (;;) {
    const std::uint64_t now = monotonicUs();
    if (now >= deadlineUs) return false;
    pollfd event{pidfd, POLLIN, 0};
    const int got = ::poll(&event, 1, static_cast<int>((deadlineUs - now) / 1000 + 1));
    if (got > 0 || (got < 0 && errno != EINTR)) return true;
  }
}

bool isStillOn(const SlotFiles& files, const Trial& trial) {
  std::string complaint;
  const std::optional<SlotState> state = loadSlotState(files, complaint);
  return state && state->trial && state->trial->digest == trial.digest && state->trial->attempt == trial.attempt;
}

/** Standard descriptors to nowhere, all others but `kept` closed; signals that end a process by accident ignored. */
int detach(int kept) {
  (void)::prctl(PR_SET_NAME, "lightv-guard");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) (void)std::signal(signal, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) (void)::dup2(null, fd);
  // A working directory would keep its file system busy; "/" is there always.
  if (::chdir("/") < 0) return -1;
  const int pidfd = ::dup2(kept, STDERR_FILENO + 1);
  closeSpan(STDERR_FILENO + 2, ~0U);
  return pidfd;
}

[[noreturn]] void guard(const SlotFiles& files, const Trial& trial, int agent) {
  const int pidfd = detach(agent);
  if (pidfd < 0) ::_exit(1);
  const std::uint64_t deadlineUs = monotonicUs() + std::uint64_t{trial.deadlineMs} * 1000;
  if (!waitForEnd(pidfd, deadlineUs) && isStillOn(files, trial)) {
    const std::string limit = std::to_string(trial.deadlineMs / 1000);
    (void)leaveTrialNote(files, {trial.digest, "it had not reported after " + limit + " s, and was killed"});
    (void)sys::pidfdSendSignal(pidfd, SIGKILL);
  }
  ::_exit(0);
}

}  // namespace

Status startGuard(const SlotFiles& files, const Trial& trial) {
  const Fd self(sys::pidfdOpen(::getpid()));
  if (!self) return Error{"pidfd_open", errno, "the agent's own process"};
  // Whoever has called us may ignore it, and then there is no status to wait for.
  (void)::signal(SIGCHLD, SIG_DFL);
  const pid_t middle = ::fork();
  if (middle < 0) return Error{"fork", errno, "the guard of the trial"};
  if (middle == 0) {
    const pid_t child = ::fork();
    if (child == 0) guard(files, trial, self.get());
    ::_exit(child < 0 ? 1 : 0);
  }
  if (sys::awaitExit(middle) != 0) return Error{"fork", EAGAIN, "the guard of the trial"};
  return {};
}

}  // namespace lightv
