// Engine::start: how a monitor comes to life, and the first words with it.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/monitor_process.hpp"
#include "engine/settle.hpp"
#include "engine/spawn_talk.hpp"
#include "engine/start_answer.hpp"
#include "engine/talk.hpp"
#include "monitor/control.hpp"
#include "monitor/monitor.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** The start request, in the socket before there is anybody to read it. */
Status sendStart(int socket, const StartOptions& options) {
  ControlRequest request{.op = ControlOp::start, .wantStdin = options.attachStdin, .size = options.attach.size};
  return sendWithStreams(socket, request, options.attach);
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
  (void)sys::awaitExit(*pid);
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
