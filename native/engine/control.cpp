// The verbs that talk to a running sandbox's monitor.
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "core/pid_namespace.hpp"
#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/talk.hpp"

namespace lightv {
namespace {

ExitInfo lostExit() {
  ExitInfo exit;
  exit.exitCode = 128 + SIGKILL;
  exit.signal = SIGKILL;
  exit.lost = true;
  exit.error = "its monitor was lost";
  return exit;
}

bool isLive(SandboxStatus status) {
  return status != SandboxStatus::created && status != SandboxStatus::exited;
}

void pauseBriefly() {
  const timespec pause{0, 2'000'000};
  nanosleep(&pause, nullptr);
}

/**
 * Asks the monitor; when there is none to ask, says what the files say: notRunning() or noSuchSandbox(). A monitor that
 * is just coming or going is waited for.
 */
Result<Reply> ask(const Engine& engine, const std::string& id, const ControlRequest& request, const int* fds = nullptr,
                  std::size_t fdCount = 0, Fd* connectionOut = nullptr) {
  const SandboxFiles files(engine.paths(), id);
  constexpr int kTries = 2000;
  for (int i = 0; i < kTries; i++) {
    Result<Fd> connection = reachMonitor(files);
    if (connection) {
      Result<Reply> reply = exchange(connection->get(), request, fds, fdCount);
      if (reply && connectionOut != nullptr) *connectionOut = std::move(*connection);
      if (reply || !isGone(reply.error())) return reply;
    } else if (!isGone(connection.error())) {
      return connection.error();
    }
    const Result<SandboxInfo> info = engine.info(id);
    if (!info) return info.error();
    if (!isLive(info->status)) return notRunning(id);
    pauseBriefly();
  }
  return Error{"request", ETIMEDOUT, id, "its monitor does not answer"};
}

Status toStatus(const Result<Reply>& reply) {
  return reply ? Status() : Status(reply.error());
}

}  // namespace

ExitInfo receiveExit(int control) {
  while (true) {
    const Result<Message> message = receiveMessage(control);
    if (!message || message->endOfFile) return lostExit();
    Result<ControlAnswer> answer = parseAnswer(message->text);
    if (answer && answer->exit) return std::move(*answer->exit);
  }
}

Result<ExitInfo> Engine::wait(const std::string& id) const {
  Result<Reply> reply = ask(*this, id, {.op = ControlOp::wait});
  if (reply && reply->answer.exit) return std::move(*reply->answer.exit);
  const Result<SandboxInfo> info = this->info(id);
  if (info) return info->exit.value_or(ExitInfo{});
  // It was there when we asked, and the loss of its monitor has taken it away (--rm).
  if (!reply && reply.error().err == ESRCH) return lostExit();
  return info.error();
}

Status Engine::stop(const std::string& id, int signal, int timeoutMs) const {
  const Result<Reply> reply = ask(*this, id, {.op = ControlOp::stop, .signal = signal, .timeoutMs = timeoutMs});
  if (reply || reply.error().err == ESRCH) return {};
  // Removed by itself while we waited is what was wanted too.
  return reply.error();
}

Status Engine::kill(const std::string& id, int signal) const {
  const Result<Reply> reply = ask(*this, id, {.op = ControlOp::kill, .signal = signal});
  if (reply || reply.error().err != ESRCH) return toStatus(reply);
  return Error{"Cannot kill sandbox: " + id + ": Sandbox " + id + " is not running", ESRCH, "", "", true};
}

Status Engine::pause(const std::string& id) const {
  const Result<Reply> reply = ask(*this, id, {.op = ControlOp::pause});
  if (reply || reply.error().err != EALREADY) return toStatus(reply);
  return Error{"Sandbox " + id + " is already paused", EALREADY, "", "", true};
}

Status Engine::unpause(const std::string& id) const {
  const Result<Reply> reply = ask(*this, id, {.op = ControlOp::unpause});
  if (reply || reply.error().err != EALREADY) return toStatus(reply);
  return Error{"Sandbox " + id + " is not paused", EALREADY, "", "", true};
}

Result<Started> Engine::attach(const std::string& id, const Stdio& stdio, bool wantStdin) const {
  std::array<int, 2> fds{};
  std::size_t count = 0;
  if (stdio.out >= 0) fds[count++] = stdio.out;
  if (stdio.err >= 0) fds[count++] = stdio.err;
  const ControlRequest request{
      .op = ControlOp::attach, .wantStdin = wantStdin, .hasStdout = stdio.out >= 0, .hasStderr = stdio.err >= 0};
  Fd connection;
  Result<Reply> reply = ask(*this, id, request, fds.data(), count, &connection);
  if (!reply) return reply.error();
  if (Status asked = sendMessage(connection.get(), toJson(ControlRequest{.op = ControlOp::wait})); !asked) {
    return asked.error();
  }
  Started started;
  started.control = std::move(connection);
  started.stdinEnd = std::move(reply->fd);
  started.pid = reply->answer.pid;
  return started;
}

Result<ExecHandle> Engine::exec(const std::string& id, const ExecSpec& spec) const {
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (info->status == SandboxStatus::paused) {
    return Error{"Sandbox " + id + " is paused, unpause the sandbox before exec", EBUSY, "", "", true};
  }
  if (info->status != SandboxStatus::running) return notRunning(id);
  return execInside(info->spec, info->initPid, Cgroup::open(placeOf(info->spec), id), spec);
}

Result<std::vector<pid_t>> Engine::processes(const std::string& id) const {
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (info->status != SandboxStatus::running && info->status != SandboxStatus::paused) return notRunning(id);
  const Cgroup cgroup = Cgroup::open(placeOf(info->spec), id);
  // An ordinary user may have none.
  return cgroup.directories().empty() ? processesBeside(info->initPid) : cgroup.processes();
}

}  // namespace lightv
