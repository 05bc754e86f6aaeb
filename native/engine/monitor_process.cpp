#include "engine/monitor_process.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "core/cgroup_place.hpp"
#include "monitor/config_file.hpp"
#include "monitor/monitor.hpp"
#include "sys/vfork.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** An ordinary user's, which has a user namespace to enter first. */
Result<pid_t> forkUsersMonitor(const Paths& paths, const std::string& id, int socket) {
  const pid_t pid = fork();
  if (pid < 0) return Error{"fork", errno, "the sandbox's monitor"};
  if (pid == 0) _exit(keepOnlyStartSocket(socket) ? monitorMain(paths, id) : 1);
  return pid;
}

/** Of a monitor that is executed: all is laid out before there is a child, which allocates nothing. */
struct Execution {
  const char* binary = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  int socket = -1;
  int group = -1;  // openMonitorGroup(); -1: it stays where it is
  int err = 0;     // why there was no execve
};

/** Handlers of the parent's are its own, and none may run in its memory: until the execve all signals are blocked. */
void forgetSignals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int signal = 1; signal < _NSIG; signal++) (void)::sigaction(signal, &defaults, nullptr);
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void executeMonitor(Execution& execution) {
  // If it can't, the monitor will say so when it makes sure of its group.
  if (execution.group >= 0) (void)!::write(execution.group, "0", 1);
  if (keepOnlyStartSocket(execution.socket)) {
    forgetSignals();
    (void)::execve(execution.binary, execution.argv, execution.environment);
  }
  execution.err = errno;
  _exit(127);
}

std::vector<char*> monitorEnvironment() {
  std::vector<char*> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    if (isMonitorVariable(*entry)) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

/** No error is one here: the monitor, which comes upon it too, has somebody to tell. */
Fd groupOf(const SandboxFiles& files) {
  const Result<Spec> spec = readSpec(files.config());
  if (!spec) return {};
  Result<Fd> group = openMonitorGroup(placeOf(*spec));
  return group ? std::move(*group) : Fd();
}

}  // namespace

Result<pid_t> forkMonitor(const Paths& paths, const std::string& id, int socket) {
  if (paths.rootless) return forkUsersMonitor(paths, id, socket);
  // Of two forks only one has to copy this process.
  const long pid = sys::vforkHere();
  if (pid == 0) forkMonitorAndLeave(paths, id, socket);
  if (pid < 0) return Error{"fork", static_cast<int>(-pid), "the sandbox's monitor"};
  return static_cast<pid_t>(pid);
}

Result<pid_t> spawnMonitor(const Paths& paths, const std::string& id, int socket, const std::string& binary) {
  std::array<std::string, 7> words{"lightv", "--root", paths.root, "--runroot", paths.run, "__monitor", id};
  std::array<char*, 8> argv{};
  for (std::size_t i = 0; i < words.size(); i++) argv[i] = words[i].data();
  const std::vector<char*> environment = monitorEnvironment();
  const Fd group = groupOf(SandboxFiles(paths, id));
  Execution execution{binary.c_str(), argv.data(), environment.data(), socket, group.get()};
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const long pid = sys::vforkHere();
  if (pid == 0) executeMonitor(execution);
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error{"fork", static_cast<int>(-pid), "the sandbox's monitor"};
  if (execution.err == 0) return static_cast<pid_t>(pid);
  (void)sys::awaitExit(static_cast<pid_t>(pid));
  return Error{"spawn", execution.err, binary};
}

}  // namespace lightv
