#include "engine/spawner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "engine/engine.hpp"
#include "engine/exec_request.hpp"
#include "engine/program.hpp"
#include "engine/spawn_talk.hpp"
#include "monitor/control.hpp"
#include "monitor/monitor.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

constexpr int kPatienceMs = 10'000;

bool mayAsk(int connection) {
  const Result<Peer> peer = peerOf(connection);
  return peer && (peer->uid == 0 || peer->uid == geteuid());
}

/** In the journal: whoever asked is newer than this package. */
void sayUnknown(const std::vector<std::string>& keys) {
  const std::string warning = unknownKeysWarning(keys);
  if (!warning.empty()) (void)writeAll(STDERR_FILENO, "lightv spawner: a request: " + warning + "\n", "stderr");
}

Result<ExecHandle> startProgram(const SpawnRequest& request, const Message& message) {
  if (message.fdCount != 2) return Error{"exec", EPROTO, request.id};
  const Engine engine(request.paths);
  const Result<SandboxInfo> info = engine.info(request.id);
  if (!info) return info.error();
  Result<ExecRequest> exec = parseExecRequest(request.exec, info->spec, true);
  if (!exec) return exec.error();
  sayUnknown(exec->unknownKeys);
  exec->exec.stdio = Stdio{-1, message.fds[0].get(), message.fds[1].get()};
  return engine.exec(request.id, exec->exec);
}

/** Stays until the program has ended. The other side's closing is its wish that it ends now. */
int watchProgram(int connection, pid_t pid) {
  const Fd pidfd(sys::pidfdOpen(pid));
  std::array<pollfd, 2> fds = {{{pidfd.get(), POLLIN, 0}, {connection, POLLIN, 0}}};
  while (pidfd.valid() && poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  if (!pidfd || fds[0].revents == 0) killProgram(pid);
  ControlAnswer answer;
  answer.exit.emplace().exitCode = reapProgram(pid);
  return sendMessage(connection, toJson(answer)) ? 0 : 1;
}

int exec(int connection, const SpawnRequest& request, Message message) {
  const Result<ExecHandle> handle = startProgram(request, message);
  // The program has its own; as long as these were open, the reader would see no end.
  for (Fd& fd : message.fds) fd.reset();
  if (!handle) return sendMessage(connection, errorAnswer(handle.error())) ? 0 : 1;
  ControlAnswer answer;
  answer.pid = handle->pid;
  if (!sendMessage(connection, toJson(answer))) killProgram(handle->pid);
  return watchProgram(connection, handle->pid);
}

int serve(Fd connection) {
  Result<Message> message = receiveMessageWithin(connection.get(), kPatienceMs);
  if (!message || message->endOfFile) return 1;
  const Result<SpawnRequest> request = parseSpawnRequest(message->text);
  if (!request) return sendMessage(connection.get(), errorAnswer(request.error())) ? 0 : 1;
  sayUnknown(request->unknownKeys);
  if (request->op == SpawnOp::exec) return exec(connection.get(), *request, std::move(*message));
  if (message->fdCount != 1) return 1;
  return keepOnlyStartSocket(message->fds[0].get()) ? monitorMain(request->paths, request->id) : 1;
}

void serveNext(int listener) {
  Result<Fd> connection = acceptConnection(listener);
  if (!connection || !*connection || !mayAsk(connection->get())) return;
  if (fork() != 0) return;
  (void)signal(SIGCHLD, SIG_DFL);
  (void)setsid();
  _exit(serve(std::move(*connection)));
}

}  // namespace

Status serveSpawner(int listener) {
  // Nobody waits for the children: the kernel reaps them (sigaction(2), SIGCHLD).
  (void)signal(SIGCHLD, SIG_IGN);
  while (true) {
    pollfd entry{listener, POLLIN, 0};
    if (poll(&entry, 1, -1) < 0 && errno != EINTR) return Error{"poll", errno, "the spawner's socket"};
    if (entry.revents != 0) serveNext(listener);
  }
}

}  // namespace lightv
