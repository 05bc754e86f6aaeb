// Engine::start: how a monitor comes to life, and the first words with it.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/settle.hpp"
#include "engine/spawn_talk.hpp"
#include "engine/start_answer.hpp"
#include "engine/talk.hpp"
#include "monitor/control.hpp"
#include "monitor/monitor.hpp"
#include "sys/file.hpp"
#include "sys/raw_call.hpp"
#include "sys/socket.hpp"

namespace lightv {
namespace {

/** The start request, in the socket before there is anybody to read it. */
Status sendStart(int socket, const StartOptions& options) {
  ControlRequest request{.op = ControlOp::start, .wantStdin = options.attachStdin, .size = options.attach.size};
  return sendWithStreams(socket, request, options.attach);
}

/** An ordinary user's, which has a user namespace to enter first. */
Result<pid_t> forkUsersMonitor(const Paths& paths, const std::string& id, int socket) {
  const pid_t pid = fork();
  if (pid < 0) return Error{"fork", errno, "the sandbox's monitor"};
  if (pid == 0) _exit(keepOnlyStartSocket(socket) ? monitorMain(paths, id) : 1);
  return pid;
}

/**
 * As vfork(2): of two forks only one has to copy this process. Without a function of the C library, to whose frame
 * nobody could return twice, and the child does all it does in calls from here.
 */
Result<pid_t> forkMonitor(const Paths& paths, const std::string& id, int socket) {
  if (paths.rootless) return forkUsersMonitor(paths, id, socket);
  const long pid = sys::rawCall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
  if (pid == 0) forkMonitorAndLeave(paths, id, socket);
  if (pid < 0) return Error{"fork", static_cast<int>(-pid), "the sandbox's monitor"};
  return static_cast<pid_t>(pid);
}

std::vector<char*> monitorEnvironment() {
  std::vector<char*> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    if (isMonitorVariable(*entry)) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

/** posix_spawn(3) actions and attributes, freed together. */
struct SpawnPlan {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

/** From a process with threads: posix_spawn(3) runs nothing of ours between clone and exec, and waits for the exec. */
Result<pid_t> spawnMonitor(const Paths& paths, const std::string& id, int socket, const std::string& binary) {
  SpawnPlan plan;
  for (int fd = 0; fd < kStartSocket; fd++) {
    posix_spawn_file_actions_addopen(&plan.actions, fd, "/dev/null", O_RDWR, 0);
  }
  posix_spawn_file_actions_adddup2(&plan.actions, socket, kStartSocket);
  posix_spawn_file_actions_addclosefrom_np(&plan.actions, kStartSocket + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::array<std::string, 7> words{"lightv", "--root", paths.root, "--runroot", paths.run, "__monitor", id};
  std::array<char*, 8> argv{};
  for (std::size_t i = 0; i < words.size(); i++) argv[i] = words[i].data();
  std::vector<char*> environment = monitorEnvironment();
  pid_t pid = 0;
  const int failed =
      posix_spawn(&pid, binary.c_str(), &plan.actions, &plan.attributes, argv.data(), environment.data());
  if (failed != 0) return Error{"spawn", failed, binary};
  return pid;
}

/** True: the spawner has the socket, and the rest comes from there. False: there is no spawner. */
Result<bool> askSpawner(const Paths& paths, const std::string& id, int socket) {
  const Result<Fd> connection = reachSpawner(paths);
  if (!connection) return connection.error();
  if (!*connection) return false;
  const Status sent = sendMessage(connection->get(), toJson(SpawnRequest{SpawnOp::monitor, paths, id, {}}), &socket, 1);
  return sent ? Result<bool>(true) : Result<bool>(sent.error().wrap("ask lightv-spawn.service"));
}

/** Makes the process that forks the monitor and leaves at once, and sees it leave. */
Status makeMonitor(const Paths& paths, const std::string& id, int socket, const std::string& binary) {
  if (!binary.empty()) {
    const Result<bool> asked = askSpawner(paths, id, socket);
    if (!asked) return asked.error();
    if (*asked) return {};
  }
  const Result<pid_t> pid = binary.empty() ? forkMonitor(paths, id, socket) : spawnMonitor(paths, id, socket, binary);
  if (!pid) return pid.error();
  while (waitpid(*pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

}  // namespace

Result<Started> Engine::start(const std::string& id, const StartOptions& options) const {
  const SandboxFiles files(paths_, id);
  if (!exists(files.config())) return noSuchSandbox(id);
  if (Status settled = settleIfLost(files); !settled) return settled.error();
  Fd ours;
  Fd theirs;
  if (Status made = seqpacketPair(ours, theirs); !made) return made.error();
  // Above the standard descriptors and kStartSocket, which are about to be replaced in the child.
  Fd high(fcntl(theirs.get(), F_DUPFD_CLOEXEC, kStartSocket + 1));
  if (!high) return Error{"dup", errno, "control socket"};
  if (Status sent = sendStart(ours.get(), options); !sent) return sent.error();
  if (Status made = makeMonitor(paths_, id, high.get(), options.monitorBinary); !made) return made.error();
  theirs.reset();
  high.reset();
  return takeStartAnswer(files, std::move(ours), options.answerTimeoutMs);
}

}  // namespace lightv
