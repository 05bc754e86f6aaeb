#include "engine/monitor_process.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "core/cgroup_place.hpp"
#include "monitor/config_file.hpp"
#include "monitor/monitor.hpp"
#include "sys/signals.hpp"
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

/** The parent's handlers are not to run in its memory: until the execve all signals are blocked. */
void executeMonitor(void* context) {
  Execution& execution = *static_cast<Execution*>(context);
  // If it can't, the monitor will say so when it makes sure of its group.
  if (execution.group >= 0) (void)!::write(execution.group, "0", 1);
  if (keepOnlyStartSocket(execution.socket)) {
    resetSignals();
    (void)::execve(execution.binary, execution.argv, execution.environment);
  }
  execution.err = errno;
}

/** Of one that is forked. */
struct Fork {
  const Paths& paths;
  const std::string& id;
  int socket = -1;
};

void forkAndLeave(void* context) {
  const Fork& fork = *static_cast<const Fork*>(context);
  forkMonitorAndLeave(fork.paths, fork.id, fork.socket);
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
  Fork fork{paths, id, socket};
  const pid_t pid = sys::vforkCall(forkAndLeave, &fork);
  return pid < 0 ? Result<pid_t>(Error{"fork", errno, "the sandbox's monitor"}) : pid;
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
  const pid_t pid = sys::vforkCall(executeMonitor, &execution);
  const int err = errno;
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error{"fork", err, "the sandbox's monitor"};
  if (execution.err == 0) return pid;
  (void)sys::awaitExit(pid);
  return Error{"spawn", execution.err, binary};
}

}  // namespace lightv
