#include "monitor/control.hpp"

#include <cerrno>
#include <limits>

#include "core/spec_json.hpp"
#include "monitor/exit_json.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::uint32_t kMostCells = 0xFFFF;  // struct winsize has 16 bits for each

const std::vector<std::string_view>& opWords() {
  static const std::vector<std::string_view> words{"start", "attach",  "wait",           "stop",  "kill",
                                                   "pause", "unpause", "restart-policy", "change"};
  return words;
}

const char* restartWord(RestartWhen when) {
  constexpr const char* kWords[] = {"no", "on-failure", "always", "unless-stopped"};
  return kWords[static_cast<std::size_t>(when)];
}

void tolerate(JsonReader& reader) {
  for (const std::string& key : reader.keys()) reader.ignore(key.c_str());
}

Error readError(JsonReader reader) {
  Error error;
  reader.text("op", error.op);
  reader.number("errno", error.err, 0, 4095);
  reader.text("detail", error.detail);
  reader.text("hint", error.hint);
  return error;
}

}  // namespace

Result<ControlRequest> parseRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "request");
  if (!reader) return reader.error();
  ControlRequest request;
  reader->require("op");
  reader->word("op", request.op, opWords());
  reader->boolean("stdin", request.wantStdin);
  reader->boolean("stdout", request.hasStdout);
  reader->boolean("stderr", request.hasStderr);
  reader->number("rows", request.size.rows, 0, kMostCells);
  reader->number("columns", request.size.columns, 0, kMostCells);
  reader->number("signal", request.signal, 0, 64);
  reader->number("timeoutMs", request.timeoutMs, -1, std::numeric_limits<std::uint32_t>::max());
  reader->boolean("shutdown", request.shutdown);
  if (request.op == ControlOp::restartPolicy) {
    readRestartPolicy(*reader, request.restart);
  }
  if (request.op == ControlOp::change) {
    if (reader->has("log")) {
      JsonReader log = reader->object("log");
      readLogOptions(log, request.log.emplace());
    }
    reader->number("storageSizeBytes", request.storageBytes, std::uint64_t{0},
                   std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  }
  tolerate(*reader);
  if (Status status = reader->finish(); !status) return status.error();
  return request;
}

std::string toJson(const ControlRequest& request) {
  JsonWriter writer;
  writer.beginObject().member("op", opWords()[static_cast<std::size_t>(request.op)]);
  switch (request.op) {
    case ControlOp::start:
    case ControlOp::attach:
      writer.member("stdin", request.wantStdin).member("stdout", request.hasStdout);
      writer.member("stderr", request.hasStderr);
      if (request.size.rows != 0) writer.member("rows", request.size.rows).member("columns", request.size.columns);
      break;
    case ControlOp::stop:
      writer.member("signal", request.signal).member("timeoutMs", request.timeoutMs);
      if (request.shutdown) writer.member("shutdown", true);
      break;
    case ControlOp::kill:
      writer.member("signal", request.signal);
      break;
    case ControlOp::restartPolicy:
      writer.member("policy", restartWord(request.restart.when)).member("maxRetries", request.restart.maxRetries);
      break;
    case ControlOp::change:
      if (request.log) writeLogOptions(writer, *request.log);
      writer.member("storageSizeBytes", request.storageBytes);
      break;
    case ControlOp::wait:
    case ControlOp::pause:
    case ControlOp::unpause:
      break;
  }
  writer.endObject();
  return writer.text();
}

std::string toJson(const ControlAnswer& answer) {
  JsonWriter writer;
  writer.beginObject().member("ok", true);
  if (!answer.id.empty()) writer.member("id", answer.id);
  if (answer.pid != 0) writer.member("pid", answer.pid);
  if (!answer.warnings.empty()) writer.member("warnings", answer.warnings);
  if (answer.exit) writeExit(writer, *answer.exit);
  writer.endObject();
  return writer.text();
}

std::string errorAnswer(const Error& error) {
  JsonWriter writer;
  writer.beginObject().member("ok", false).beginObject("error");
  writer.member("op", error.op).member("errno", error.err).member("detail", error.detail).member("hint", error.hint);
  writer.endObject().endObject();
  return writer.text();
}

Result<ControlAnswer> parseAnswer(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "answer of the monitor");
  if (!reader) return reader.error();
  bool ok = false;
  reader->boolean("ok", ok);
  if (!ok) return readError(reader->object("error"));
  ControlAnswer answer;
  reader->text("id", answer.id);
  reader->number("pid", answer.pid, 0, std::numeric_limits<pid_t>::max());
  reader->texts("warnings", answer.warnings);
  if (reader->has("exitCode")) readExit(*reader, answer.exit.emplace());
  tolerate(*reader);
  if (Status status = reader->finish(); !status) return status.error();
  return answer;
}

}  // namespace lightv
