#include "engine/exec_request.hpp"

#include "engine/merge.hpp"
#include "sys/json.hpp"

namespace lightv {

Result<ExecRequest> parseExecRequest(const std::string& json, const Spec& sandbox, bool newerWriter) {
  constexpr std::uint32_t kMaxTimeoutMs = 3'600'000;
  constexpr std::uint32_t kMaxOutputBytes = 1U << 20;
  Result<JsonReader> reader = JsonReader::parse(json, "exec request");
  if (!reader) return reader.error();
  ExecRequest request;
  std::vector<std::string> env;
  request.exec.cwd = sandbox.cwd;
  request.exec.user = sandbox.user;
  reader->texts("args", request.exec.args);
  if (request.exec.args.empty()) reader->fail("args", "must name a program");
  reader->texts("env", env);
  reader->text("cwd", request.exec.cwd);
  reader->text("user", request.exec.user);
  reader->boolean("privileged", request.exec.privileged);
  reader->number("timeoutMs", request.timeoutMs, 1, kMaxTimeoutMs);
  reader->number("maxOutputBytes", request.maxOutputBytes, 1, kMaxOutputBytes);
  const Status read = newerWriter ? reader->finish(request.unknownKeys) : reader->finish();
  if (!read) return read.error();
  request.exec.env = mergeEnv(sandbox.env, env);
  return request;
}

}  // namespace lightv
