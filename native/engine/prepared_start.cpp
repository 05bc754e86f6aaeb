// Engine::startPrepared and joinPrepared: the caller's side of the pool. Until a prepared sandbox has said that it
// begins, whatever goes wrong means "there is none".
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "engine/engine.hpp"
#include "engine/pool_talk.hpp"
#include "engine/start_answer.hpp"
#include "engine/talk.hpp"
#include "monitor/control.hpp"
#include "sys/socket.hpp"

namespace lightv {
namespace {

/** A prepared sandbox takes a request within a millisecond; one that was stopped or starved must not hold the caller.
 */
constexpr int kPatienceMs = 2000;

Status sendRequest(int socket, const Paths& paths, const CreateRequest& create, const StartOptions& options) {
  PoolRequest request{.root = paths.root, .create = create, .wantStdin = options.attachStdin};
  request.callerLimits = options.monitorBinary.empty();
  return sendWithStreams(socket, request, options.attach);
}

/** The keeper learns from it. Where there is none, or it does not listen, nobody does. */
void tellMissed(const Paths& paths, const std::string& digest, int err) {
  if (err != ENOENT && err != ECONNREFUSED) return;
  const Result<Fd> keeper = tryConnectSeqpacket(keeperSocket(paths));
  if (keeper) (void)sendMessage(keeper->get(), toJson(KeeperRequest{.op = KeeperOp::missed, .image = digest}));
}

/**
 * The id of the sandbox that has taken the request; empty when none has, nor will. The other side goes on only if its
 * word can still be sent: after shutdown(2) that fails, so what is in the socket then is all there will ever be.
 */
std::string awaitTaken(int socket) {
  Result<Message> message = receiveMessageWithin(socket, kPatienceMs);
  if (!message && message.error().err == ETIMEDOUT) {
    (void)::shutdown(socket, SHUT_RDWR);
    message = receiveMessage(socket);
  }
  if (!message || message->endOfFile) return {};
  const Result<ControlAnswer> answer = parseAnswer(message->text);
  return answer ? answer->id : std::string();
}

}  // namespace

std::optional<PreparedStart> Engine::startPrepared(const CreateRequest& request, const StartOptions& options) const {
  if (!isOrdinary(request)) return std::nullopt;
  const Result<std::string> digest = images().digestOf(request.image);
  if (!digest) return std::nullopt;
  Result<Fd> socket = tryConnectSeqpacket(poolSocket(paths_, *digest));
  if (!socket) tellMissed(paths_, *digest, socket.error().err);
  if (!socket || !sendRequest(socket->get(), paths_, request, options)) return std::nullopt;
  return joinPrepared({std::move(*socket), "", 0}, options);
}

std::optional<PreparedStart> Engine::joinPrepared(PreparedTalk talk, const StartOptions& options) const {
  if (talk.id.empty()) talk.id = awaitTaken(talk.socket.get());
  if (talk.id.empty()) return std::nullopt;
  if (talk.pid != 0) {
    Started started;
    started.pid = talk.pid;
    started.control = std::move(talk.socket);
    return PreparedStart{std::move(talk.id), std::move(started)};
  }
  Result<Started> started =
      takeStartAnswer(SandboxFiles(paths_, talk.id), std::move(talk.socket), options.answerTimeoutMs);
  return PreparedStart{std::move(talk.id), std::move(started)};
}

}  // namespace lightv
