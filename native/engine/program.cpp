#include "engine/program.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "engine/spawn_talk.hpp"
#include "monitor/control.hpp"
#include "sys/socket.hpp"
#include "sys/syscalls.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

constexpr int kKilled = 128 + SIGKILL;
/** A spawner that starts anew answers within seconds; one that never does must not hold a thread for each health check.
 */
constexpr int kPatienceMs = 60'000;

Status askSpawner(int connection, const Paths& paths, const std::string& id, const std::string& json,
                  const Stdio& stdio) {
  const std::array<int, 2> fds{stdio.out, stdio.err};
  const SpawnRequest request{SpawnOp::exec, paths, id, json};
  if (Status sent = sendMessage(connection, toJson(request), fds.data(), fds.size()); !sent) return sent;
  const Result<Message> message = receiveMessageWithin(connection, kPatienceMs);
  if (!message) return message.error().wrap("ask lightv-spawn.service");
  if (message->endOfFile) return Error{"exec", EPIPE, id, "lightv-spawn.service ended; it is tried again"};
  const Result<ControlAnswer> answer = parseAnswer(message->text);
  return answer ? Status() : Status(answer.error());
}

}  // namespace

void killProgram(pid_t pid) {
  (void)::kill(::getpgid(pid) == pid ? -pid : pid, SIGKILL);
}

int reapProgram(pid_t pid) {
  const int code = sys::awaitExit(pid);
  return code < 0 ? 125 : code;
}

Result<Program> Program::start(const Engine& engine, const std::string& id, const std::string& json,
                               const ExecRequest& request) {
  Program program;
  Result<Fd> connection = reachSpawner(engine.paths());
  if (!connection) return connection.error();
  if (*connection) {
    const Status asked = askSpawner(connection->get(), engine.paths(), id, json, request.exec.stdio);
    if (!asked) return asked.error();
    program.connection_ = std::move(*connection);
    return program;
  }
  const Result<ExecHandle> handle = engine.exec(id, request.exec);
  if (!handle) return handle.error();
  program.pid_ = handle->pid;
  program.pidfd_.reset(sys::pidfdOpen(handle->pid));
  if (program.pidfd_) return program;
  const int err = errno;
  program.kill();
  (void)program.exitCode();
  return Error{"pidfd_open", err, "exec", "Linux 5.3 or newer is needed"};
}

void Program::kill() {
  if (pid_ > 0) return killProgram(pid_);
  (void)::shutdown(connection_.get(), SHUT_WR);  // the spawner takes that for the wish that it ends
}

int Program::exitCode() {
  if (pid_ > 0) return reapProgram(pid_);
  const Result<Message> message = receiveMessage(connection_.get());
  if (!message || message->endOfFile) return kKilled;
  const Result<ControlAnswer> answer = parseAnswer(message->text);
  return answer && answer->exit ? answer->exit->exitCode : kKilled;
}

}  // namespace lightv
