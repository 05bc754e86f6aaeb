#include "slots/ends.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMaxEndsBytes = 16U << 10;
/** lightvd's own: the configuration is wrong (agent/main.ts). Another version would read the same one. */
constexpr int kConfigurationStatus = 2;
/** lightvd's own, EX_TEMPFAIL of sysexits.h: a full disk, a database that is in use. */
constexpr int kPassingStatus = 75;
/** From here on systemd says that it could not execute the program (systemd.exec(5), "Process Exit Codes"). */
constexpr int kFirstOfSystemd = 200, kLastOfSystemd = 245;

bool isOneOf(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool speaksAgainstVersion(const std::string& exitStatus) {
  int status = 0;
  const char* end = exitStatus.data() + exitStatus.size();
  if (std::from_chars(exitStatus.data(), end, status).ptr != end) return false;
  return status != 0 && status != kConfigurationStatus && status != kPassingStatus &&
         (status < kFirstOfSystemd || status > kLastOfSystemd);
}

}  // namespace

std::string describeEnd(const ServiceEnd& end) {
  if (end.result == "watchdog") return "it hung, and the service manager's watchdog killed it";
  if (end.result == "timeout") return "it was not ready in time, and the service manager killed it";
  if (end.result == "oom-kill") return "the kernel killed it for want of memory";
  if (end.code == "exited") return "it exited with status " + end.status + " without having reported";
  if (end.code == "killed" || end.code == "dumped") return "signal " + end.status + " ended it before it had reported";
  return "it ended without having reported";
}

bool isCrash(const ServiceEnd& end) {
  if (isOneOf(end.result, {"success", "resources", "exec-condition", "start-limit-hit"})) return false;
  // "protocol": it ended well, but before it was ready.
  if (isOneOf(end.result, {"watchdog", "timeout", "oom-kill", "protocol"})) return true;
  if (end.code == "exited") return speaksAgainstVersion(end.status);
  if (end.code == "dumped") return true;
  // What systemd takes for a clean end too.
  return end.code == "killed" && !isOneOf(end.status, {"TERM", "INT", "HUP", "PIPE"});
}

AgentEnds withEnd(const AgentEnds& before, Slot slot, const std::string& reason, std::uint64_t nowMs) {
  AgentEnds after = before;
  if (nowMs < before.atMs || nowMs - before.atMs > kSameRowMs) after.usr = after.a = after.b = 0;
  std::uint32_t& count = slot == Slot::usr ? after.usr : slot == Slot::a ? after.a : after.b;
  count++;
  after.atMs = nowMs;
  after.reason = reason;
  return after;
}

AgentEnds loadEnds(const SlotFiles& files, const std::string& bootId) {
  const AgentEnds none{.bootId = bootId};
  const Result<std::string> text = readFile(files.ends(), kMaxEndsBytes);
  if (!text) return none;
  Result<JsonReader> reader = JsonReader::parse(*text, files.ends());
  if (!reader) return none;
  AgentEnds ends;
  constexpr std::uint32_t kMost = std::numeric_limits<std::int32_t>::max();
  reader->text("bootId", ends.bootId);
  reader->number("atMs", ends.atMs, std::uint64_t{0}, std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  reader->text("reason", ends.reason);
  reader->number("usr", ends.usr, 0U, kMost);
  reader->number("a", ends.a, 0U, kMost);
  reader->number("b", ends.b, 0U, kMost);
  for (const std::string& key : reader->keys()) reader->ignore(key.c_str());
  return reader->finish().ok() && ends.bootId == bootId ? ends : none;
}

Status saveEnds(const SlotFiles& files, const AgentEnds& ends) {
  JsonWriter writer;
  writer.beginObject().member("bootId", ends.bootId).member("atMs", ends.atMs).member("reason", ends.reason);
  writer.member("usr", ends.usr).member("a", ends.a).member("b", ends.b).endObject();
  return writeFileAtomic(files.ends(), writer.text() + "\n", 0600, Durable::no);
}

}  // namespace lightv
