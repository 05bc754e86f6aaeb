// Engine::start: how a monitor comes to life, and the first words with it.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/settle.hpp"
#include "monitor/control.hpp"
#include "monitor/monitor.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** The start request, in the socket before there is anybody to read it. */
Status sendStart(int socket, const StartOptions& options) {
  ControlRequest request{.op = ControlOp::start, .wantStdin = options.attachStdin, .size = options.attach.size};
  std::array<int, 2> fds{};
  std::size_t count = 0;
  if (options.attach.out >= 0) fds[count++] = options.attach.out;
  if (options.attach.err >= 0) fds[count++] = options.attach.err;
  request.hasStdout = options.attach.out >= 0;
  request.hasStderr = options.attach.err >= 0;
  return sendMessage(socket, toJson(request), fds.data(), count);
}

/** In the child: nothing of the caller stays open but the socket. */
bool keepOnly(int socket) {
  if (dup2(socket, kStartSocket) < 0) return false;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < kStartSocket; fd++) {
    if (dup2(null, fd) < 0) return false;
  }
  if (sys::closeRange(kStartSocket + 1, ~0U, 0) == 0) return true;
  const long most = sysconf(_SC_OPEN_MAX);  // before 5.9
  for (int fd = kStartSocket + 1; fd < most; fd++) close(fd);
  return true;
}

Result<pid_t> forkMonitor(const Paths& paths, const std::string& id, int socket) {
  const pid_t pid = fork();
  if (pid < 0) return Error{"fork", errno, "the sandbox's monitor"};
  if (pid == 0) _exit(keepOnly(socket) ? monitorMain(paths, id) : 1);
  return pid;
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

/** The process that we made forks the monitor and leaves at once. */
void reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Started> takeAnswer(const std::string& id, Fd socket) {
  Result<Message> message = receiveMessage(socket.get());
  if (!message || message->endOfFile) {
    return Error{"start", EPIPE, id,
                 "its monitor ended before it could say why; see the kernel's log for out-of-memory"};
  }
  Result<ControlAnswer> answer = parseAnswer(message->text);
  if (!answer) return answer.error();
  Started started;
  started.pid = answer->pid;
  started.warnings = std::move(answer->warnings);
  started.stdinEnd = std::move(message->fds[0]);
  started.control = std::move(socket);
  return started;
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
  const Result<pid_t> pid = options.monitorBinary.empty() ? forkMonitor(paths_, id, high.get())
                                                          : spawnMonitor(paths_, id, high.get(), options.monitorBinary);
  if (!pid) return pid.error();
  theirs.reset();
  high.reset();
  reap(*pid);
  return takeAnswer(id, std::move(ours));
}

}  // namespace lightv
