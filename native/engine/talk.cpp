#include "engine/talk.hpp"

#include <cerrno>

namespace lightv {
namespace {

constexpr const char* kLostOp = "the monitor is gone";

}  // namespace

Result<Fd> reachMonitor(const SandboxFiles& files) {
  Result<Fd> connection = connectSeqpacket(files.socket());
  if (!connection && (connection.error().err == ENOENT || connection.error().err == ECONNREFUSED)) {
    return Error{kLostOp, ECONNRESET, files.id()};
  }
  return connection;
}

Result<Reply> exchange(int connection, const ControlRequest& request, const int* fds, std::size_t fdCount) {
  if (Status sent = sendMessage(connection, toJson(request), fds, fdCount); !sent) {
    return Error{kLostOp, ECONNRESET, sent.error().message()};
  }
  Result<Message> message = receiveMessage(connection);
  if (!message || message->endOfFile) return Error{kLostOp, ECONNRESET};
  Result<ControlAnswer> answer = parseAnswer(message->text);
  if (!answer) return answer.error();
  return Reply{std::move(*answer), std::move(message->fds[0])};
}

bool isGone(const Error& error) {
  return error.op == kLostOp;
}

}  // namespace lightv
