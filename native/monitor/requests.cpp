// What a monitor does on the requests of its control socket.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "monitor/life.hpp"
#include "sys/time.hpp"

namespace lightv {

void Life::receive(unsigned id) {
  const Client* client = clients_.find(id);
  if (client == nullptr) return;
  Result<Message> message = receiveMessage(client->connection.get());
  if (!message && (message.error().err == EAGAIN || message.error().err == EMSGSIZE)) {
    if (message.error().err == EMSGSIZE) clients_.send(id, errorAnswer(message.error()));
    return;
  }
  if (!message || message->endOfFile) return leave(id);
  const Result<ControlRequest> request = parseRequest(message->text);
  if (!request) return clients_.send(id, errorAnswer(request.error()));
  answer(id, *request, *message);
}

void Life::answer(unsigned id, ControlRequest request, Message& message) {
  const auto reply = [&](const Status& status) {
    clients_.send(id, status.ok() ? toJson(ControlAnswer{}) : errorAnswer(status.error()));
  };
  if (phase_ == Phase::over) return reply(Error{"request", ESRCH, files_.id(), "the sandbox has ended"});
  switch (request.op) {
    case ControlOp::start:
      return reply(Error{"start", EALREADY, files_.id()});
    case ControlOp::attach:
      attach(id, request, message);
      return clients_.send(id, toJson(ControlAnswer{.pid = state_.pid}),
                           request.wantStdin ? execution_.stdinEnd.get() : -1);
    case ControlOp::wait:
      clients_.find(id)->waits = true;
      return;
    case ControlOp::stop:
      clients_.find(id)->waits = true;
      shutdown_ = shutdown_ || request.shutdown;
      return stop(request.signal, request.timeoutMs);
    case ControlOp::kill:
      reply(kill(request.signal));
      return endIfUnwanted();  // after the answer: the end closes all connections
    case ControlOp::pause:
      return reply(pause(true));
    case ControlOp::unpause:
      return reply(pause(false));
    case ControlOp::restartPolicy:
      spec_.restart = request.restart;
      reply({});
      return endIfUnwanted();
    case ControlOp::change:
      return reply(change(request));
  }
}

/** What the next run reads from the configuration counts for this one too. The layer first: it alone can fail. */
Status Life::change(const ControlRequest& request) {
  if (request.storageBytes && phase_ == Phase::running) {
    if (!execution_.layer) {
      return Error{"update", EINVAL, "its writable layer has no bound",
                   "make a new sandbox with --storage-opt size=", true};
    }
    if (Status grown = execution_.layer.grow(*request.storageBytes); !grown) return grown;
  }
  if (request.log) {
    spec_.log = *request.log;
    log_.change(*request.log);
  }
  return {};
}

void Life::attach(unsigned id, const ControlRequest& request, Message& message) {
  std::size_t next = 0;
  if (request.hasStdout && next < message.fdCount) out_.attach(id, std::move(message.fds[next++]));
  if (request.hasStderr && next < message.fdCount) err_.attach(id, std::move(message.fds[next++]));
}

void Life::leave(unsigned id) {
  out_.detach(id);
  err_.detach(id);
  clients_.drop(id);
}

void Life::stop(int signal, std::int64_t timeoutMs) {
  stopped_ = true;
  if (phase_ == Phase::restarting) return endIfUnwanted();
  const std::uint64_t grace = timeoutMs < 0 ? spec_.stopTimeoutMs : static_cast<std::uint64_t>(timeoutMs);
  const std::uint64_t deadline = monotonicUs() + grace * 1000;
  killAtUs_ = killAtUs_ == 0 ? deadline : std::min(killAtUs_, deadline);
  // What is frozen can't act on a signal, and with v1 not even die.
  if (state_.status == SandboxStatus::paused) (void)pause(false);
  (void)signalWorkload(execution_, signal == 0 ? spec_.stopSignal : signal);
}

Status Life::kill(int signal) {
  if (signal == 0) signal = SIGKILL;
  if (signal == SIGKILL || signal == spec_.stopSignal) stopped_ = true;
  if (phase_ == Phase::restarting) return {};
  if (signal == SIGKILL && state_.status == SandboxStatus::paused) (void)pause(false);
  return signalWorkload(execution_, signal);
}

Status Life::pause(bool paused) {
  if (phase_ != Phase::running) return Error{"pause", ESRCH, files_.id(), "it is restarting: wait until it runs"};
  if ((state_.status == SandboxStatus::paused) == paused) {
    return Error{paused ? "pause" : "unpause", EALREADY, files_.id(), paused ? "it is paused" : "it is not paused"};
  }
  if (Status status = execution_.cgroup.freeze(paused); !status) {
    if (paused) (void)execution_.cgroup.freeze(false);
    return status;
  }
  setStatus(paused ? SandboxStatus::paused : SandboxStatus::running);
  return {};
}

/** While it waits to be started again: nobody may want that any more. */
void Life::endIfUnwanted() {
  if (phase_ != Phase::restarting) return;
  const int exitCode = state_.exit ? state_.exit->exitCode : 0;
  if (!shallRestart(spec_.restart, exitCode, state_.restartCount, stopped_)) finish(state_.exit.value_or(ExitInfo{}));
}

/** Tells the end to everybody who waits, but for those whose output is still under way; they are done then. */
void Life::answerWaiting() {
  if (!ended_) return;
  ControlAnswer text;
  text.exit = *ended_;
  const std::string exit = toJson(text);
  std::vector<unsigned> done;
  for (const Client& client : clients_.all()) {
    if (!out_.owes(client.id) && !err_.owes(client.id)) done.push_back(client.id);
  }
  for (const unsigned id : done) {
    const Client* client = clients_.find(id);
    if (client != nullptr && client->waits) clients_.send(id, exit);
    leave(id);
  }
}

}  // namespace lightv
