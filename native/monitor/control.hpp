// The words of a control socket: docs/sandbox.md, "Control socket". Text in, plain data out; no descriptors here.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/launch.hpp"
#include "core/spec.hpp"
#include "monitor/records.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class ControlOp { start, attach, wait, stop, kill, pause, unpause, restartPolicy, change };

struct ControlRequest {
  ControlOp op = ControlOp::wait;
  bool wantStdin = false;                     // start, attach: the answer shall carry it
  bool hasStdout = false, hasStderr = false;  // start, attach: which descriptors come with it, in this order
  TerminalSize size;                          // start
  int signal = 0;                             // stop, kill; 0: the sandbox's own
  std::int64_t timeoutMs = -1;                // stop; < 0: the sandbox's own
  bool shutdown = false;                      // stop: because the system goes down; the exit says so
  RestartPolicy restart;                      // restart-policy
  std::optional<LogOptions> log;              // change
  std::optional<std::uint64_t> storageBytes;  // change: the writable layer's size
};

Result<ControlRequest> parseRequest(std::string_view json);
std::string toJson(const ControlRequest& request);

struct ControlAnswer {
  std::string id;                     // a prepared sandbox has taken the request, and begins
  pid_t pid = 0;                      // start
  std::vector<std::string> warnings;  // start
  std::optional<ExitInfo> exit;       // wait, stop
};

std::string toJson(const ControlAnswer& answer);
/** An answer that tells the error keeps op, errno, detail and hint. */
std::string errorAnswer(const Error& error);
/** The answer, or the error that the other side had. */
Result<ControlAnswer> parseAnswer(std::string_view json);

}  // namespace lightv
