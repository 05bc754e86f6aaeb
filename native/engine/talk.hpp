// A verb's words with a monitor.
#pragma once

#include <array>
#include <utility>

#include "core/launch.hpp"
#include "monitor/control.hpp"
#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"
#include "sys/socket.hpp"

namespace lightv {

/** An answer and the descriptor that came with it. */
struct Reply {
  ControlAnswer answer;
  Fd fd;
};

/** Connects to the monitor. ENOENT, ECONNREFUSED: there is none. */
Result<Fd> reachMonitor(const SandboxFiles& files);

/** One request and its answer on a connection. ECONNRESET: the monitor has gone without answering. */
Result<Reply> exchange(int connection, const ControlRequest& request, const int* fds = nullptr,
                       std::size_t fdCount = 0);

/** Is this "nobody there", rather than an answer? */
bool isGone(const Error& error);

/** A request, and the caller's output streams behind it: its `hasStdout` and `hasStderr` say which. */
template <class Request>
Status sendWithStreams(int socket, Request& request, const Stdio& streams) {
  std::array<int, 2> fds{};
  std::size_t count = 0;
  if (streams.out >= 0) fds[count++] = streams.out;
  if (streams.err >= 0) fds[count++] = streams.err;
  request.hasStdout = streams.out >= 0;
  request.hasStderr = streams.err >= 0;
  return sendMessage(socket, toJson(request), fds.data(), count);
}

}  // namespace lightv
