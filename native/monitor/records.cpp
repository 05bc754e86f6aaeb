#include "monitor/records.hpp"

#include <array>
#include <cerrno>
#include <limits>

#include "monitor/exit_json.hpp"
#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::array<const char*, 5> kStatusNames = {"created", "running", "paused", "restarting", "exited"};

const std::vector<std::string_view>& statusWords() {
  static const std::vector<std::string_view> words(kStatusNames.begin(), kStatusNames.end());
  return words;
}

constexpr std::uint32_t kMaxCount = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMostBytes = std::numeric_limits<std::uint64_t>::max();
constexpr pid_t kMaxPid = std::numeric_limits<pid_t>::max();

/** Reads `path`, lets `fill` take what it knows, and forgives keys that a newer version wrote. */
template <class Record, class Fill>
Result<Record> readRecord(const std::string& path, Fill fill) {
  const Result<std::string> text = readFile(path);
  if (!text) return text.error();
  Result<JsonReader> reader = JsonReader::parse(*text, path);
  if (!reader) return Error{"read", EBADMSG, reader.error().message()};
  Record record;
  fill(*reader, record);
  for (const std::string& key : reader->keys()) reader->ignore(key.c_str());
  if (Status status = reader->finish(); !status) return Error{"read", EBADMSG, status.error().message()};
  return record;
}

/** Of a state or an end: what the log did not take, when there was any. */
template <class Record>
void writeDrops(JsonWriter& writer, const Record& record) {
  if (record.logDroppedLines == 0) return;
  writer.member("logDroppedLines", record.logDroppedLines).member("logDroppedBytes", record.logDroppedBytes);
}

template <class Record>
void readDrops(JsonReader& reader, Record& record) {
  reader.number("logDroppedLines", record.logDroppedLines, std::uint64_t{0}, kMostBytes);
  reader.number("logDroppedBytes", record.logDroppedBytes, std::uint64_t{0}, kMostBytes);
}

}  // namespace

const char* statusName(SandboxStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

void writeExit(JsonWriter& writer, const ExitInfo& exit) {
  writer.member("exitCode", exit.exitCode).member("signal", exit.signal).member("oomKilled", exit.oomKilled);
  if (exit.lost) writer.member("lost", true);
  if (exit.shutdown) writer.member("shutdown", true);
  writer.member("finishedAt", exit.finishedAt).member("error", exit.error);
}

void readExit(JsonReader& reader, ExitInfo& exit) {
  reader.number("exitCode", exit.exitCode, 0, 255);
  reader.number("signal", exit.signal, 0, 64);
  reader.boolean("oomKilled", exit.oomKilled);
  reader.boolean("lost", exit.lost);
  reader.boolean("shutdown", exit.shutdown);
  reader.text("finishedAt", exit.finishedAt);
  reader.text("error", exit.error);
}

std::string toJson(const ExitInfo& exit) {
  JsonWriter writer;
  writer.beginObject();
  writeExit(writer, exit);
  writer.endObject();
  return writer.text();
}

std::string toJson(const StateRecord& state) {
  JsonWriter writer;
  writer.beginObject().member("status", statusName(state.status)).member("pid", state.pid);
  writer.member("initPid", state.initPid).member("monitorPid", state.monitorPid);
  writer.member("startedAt", state.startedAt).member("restartCount", state.restartCount);
  writer.member("warnings", state.warnings);
  writeDrops(writer, state);
  if (state.exit) {
    writer.beginObject("exit");
    writeExit(writer, *state.exit);
    writer.endObject();
  }
  writer.endObject();
  return writer.text();
}

std::string toJson(const ExitRecord& record) {
  JsonWriter writer;
  writer.beginObject();
  writeExit(writer, record.exit);
  writer.member("startedAt", record.startedAt).member("restartCount", record.restartCount);
  writer.member("warnings", record.warnings);
  writeDrops(writer, record);
  writer.endObject();
  return writer.text();
}

std::string toJson(const StartRecord& record) {
  JsonWriter writer;
  writer.beginObject().member("startedAt", record.startedAt).member("restartCount", record.restartCount).endObject();
  return writer.text();
}

Result<StateRecord> readState(const std::string& path) {
  return readRecord<StateRecord>(path, [](JsonReader& reader, StateRecord& state) {
    reader.word("status", state.status, statusWords());
    reader.number("pid", state.pid, 0, kMaxPid);
    reader.number("initPid", state.initPid, 0, kMaxPid);
    reader.number("monitorPid", state.monitorPid, 0, kMaxPid);
    reader.text("startedAt", state.startedAt);
    reader.number("restartCount", state.restartCount, 0U, kMaxCount);
    reader.texts("warnings", state.warnings);
    readDrops(reader, state);
    if (!reader.has("exit")) return;
    JsonReader inner = reader.object("exit");
    readExit(inner, state.exit.emplace());
    for (const std::string& key : inner.keys()) inner.ignore(key.c_str());
  });
}

Result<ExitRecord> readExitRecord(const std::string& path) {
  return readRecord<ExitRecord>(path, [](JsonReader& reader, ExitRecord& record) {
    readExit(reader, record.exit);
    reader.text("startedAt", record.startedAt);
    reader.number("restartCount", record.restartCount, 0U, kMaxCount);
    reader.texts("warnings", record.warnings);
    readDrops(reader, record);
  });
}

Result<StartRecord> readStartRecord(const std::string& path) {
  return readRecord<StartRecord>(path, [](JsonReader& reader, StartRecord& record) {
    reader.text("startedAt", record.startedAt);
    reader.number("restartCount", record.restartCount, 0U, kMaxCount);
  });
}

}  // namespace lightv
