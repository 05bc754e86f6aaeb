#include "init/init.hpp"

#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>

#include "sys/fds.hpp"
#include "sys/memory.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

constexpr int killedCode = 128 + SIGKILL;
/** A monitor that has heard of the end takes a quarter of that. */
constexpr int patienceMs = 1000;

// Blocked signals are delivered to PID 1 even without a handler (kernel/signal.c, sig_ignored), and wait in a
// signalfd. SIGCHLD among them: it wakes the reaper.
int openSignals() {
  sigset_t all;
  (void)::sigfillset(&all);
  (void)::sigprocmask(SIG_SETMASK, &all, nullptr);
  return ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Faults of PID 1's own and job control are its own business.
bool isForwarded(int signal) {
  switch (signal) {
    case SIGCHLD:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGTTIN:
    case SIGTTOU:
      return false;
    default:
      return true;
  }
}

void forwardSignals(int signalFd, pid_t workload) {
  signalfd_siginfo info{};
  while (::read(signalFd, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (isForwarded(signal)) (void)::kill(workload, signal);
  }
}

/** Has the workload ended? It is not reaped: that takes longer than to tell of it. */
bool hasEnded(pid_t workload, InitExit& exit) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(workload), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
  if (info.si_pid != workload) return false;
  const bool exited = info.si_code == CLD_EXITED;
  exit = {exited ? info.si_status : 128 + info.si_status, exited ? 0 : info.si_status};
  return true;
}

/** Reaps what else has ended. */
void reapOthers(pid_t workload) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid <= 0) return;
    // The next turn sees it; what lies behind it in the queue goes with the namespace.
    if (info.si_pid == workload) return;
    (void)::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

// PID 1 has nothing to do any more but to signal its children, whoever they run as: it keeps CAP_KILL.
void giveUpPrivileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = 1U << CAP_KILL;
  (void)sys::capSet(&header, data);
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void keepOnly(int first, int second) {
  const auto low = static_cast<unsigned>(first < second ? first : second);
  const auto high = static_cast<unsigned>(first < second ? second : first);
  if (low > 0) closeSpan(0, low - 1);
  closeSpan(low + 1, high - 1);
  closeSpan(high + 1, UINT_MAX);
}

/**
 * Tells the end, and stays until the monitor ends the sandbox: to take the namespaces down keeps a processor busy for
 * longer than all that the monitor has to do before it tells whoever waits. What the workload has left running ends at
 * once.
 */
[[noreturn]] void leave(int statusSocket, int signalFd, pid_t workload, const InitExit& exit) {
  (void)::send(statusSocket, &exit, sizeof exit, MSG_NOSIGNAL);
  // What is pending counts for its user, in every sandbox.
  signalfd_siginfo info{};
  while (::read(signalFd, &info, sizeof info) > 0) {
  }
  (void)::waitpid(workload, nullptr, WNOHANG);
  siginfo_t other{};
  const bool isAlone = ::waitid(P_ALL, 0, &other, WEXITED | WNOHANG | WNOWAIT) != 0;
  pollfd monitor{statusSocket, POLLRDHUP, 0};
  if (isAlone) (void)::poll(&monitor, 1, patienceMs);
  ::_exit(exit.exitCode);
}

[[noreturn]] void serve(int statusSocket, int signalFd, pid_t workload) {
  releaseCallers();
  pollfd watched[2] = {{signalFd, POLLIN, 0}, {statusSocket, POLLRDHUP, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0 && errno != EINTR) ::_exit(killedCode);
    // The monitor is gone: nobody would see what the workload does any more. The namespace dies with PID 1.
    if ((watched[1].revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0) ::_exit(killedCode);
    if (watched[0].revents == 0) continue;
    InitExit exit;
    if (hasEnded(workload, exit)) leave(statusSocket, signalFd, workload, exit);
    forwardSignals(signalFd, workload);
    reapOthers(workload);
    if (hasEnded(workload, exit)) leave(statusSocket, signalFd, workload, exit);
  }
}

}  // namespace

int runInit(const InitTask& task) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t before;
  (void)::sigprocmask(SIG_SETMASK, nullptr, &before);
  const int signalFd = openSignals();
  if (signalFd < 0) return errno;
  const pid_t workload = static_cast<pid_t>(sys::cloneFlags(SIGCHLD));
  if (workload < 0) return errno;
  if (workload == 0) {
    (void)::sigprocmask(SIG_SETMASK, &before, nullptr);
    task.workload(task.context);
    ::_exit(125);
  }
  keepOnly(task.statusSocket, signalFd);
  giveUpPrivileges();
  // Out of the workload's reach (CVE-2019-5736): /proc/1/exe is the engine's own binary.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  (void)::prctl(PR_SET_NAME, "lightv-init", 0, 0, 0);
  (void)releaseProgram();
  serve(task.statusSocket, signalFd, workload);
}

}  // namespace lightv
