#include "slots/state.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::uint32_t kMaxAttempt = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxTries = 16;

const std::vector<std::string_view>& slotWords() {
  static const std::vector<std::string_view> words = {"usr", "a", "b"};
  return words;
}

void forgiveOthers(JsonReader& reader) {
  for (const std::string& key : reader.keys()) reader.ignore(key.c_str());
}

void readIdentity(JsonReader& reader, std::string& version, std::string& digest, std::uint32_t& attempt) {
  reader.require("version");
  reader.require("digest");
  reader.text("version", version);
  reader.text("digest", digest);
  reader.number("attempt", attempt, 0U, kMaxAttempt);
}

std::optional<ProvenTree> readProven(JsonReader& parent, const char* key) {
  if (!parent.has(key)) return std::nullopt;
  JsonReader reader = parent.object(key);
  ProvenTree tree;
  readIdentity(reader, tree.version, tree.digest, tree.attempt);
  reader.boolean("told", tree.told);
  reader.boolean("crashed", tree.crashed);
  forgiveOthers(reader);
  return tree;
}

Trial readTrial(JsonReader reader) {
  Trial trial;
  reader.require("slot");
  reader.word("slot", trial.slot, slotWords());
  if (trial.slot == Slot::usr) reader.fail("slot", "must be a or b");
  readIdentity(reader, trial.version, trial.digest, trial.attempt);
  reader.texts("tries", trial.tries);
  if (trial.tries.size() > kMaxTries) reader.fail("tries", "has too many entries");
  reader.boolean("waits", trial.waits);
  reader.number("deadlineMs", trial.deadlineMs, 0U, std::numeric_limits<std::uint32_t>::max());
  trial.deadlineMs = std::clamp(trial.deadlineMs, kMinDeadlineMs, kMaxDeadlineMs);
  forgiveOthers(reader);
  return trial;
}

FailedUpdate readFailed(JsonReader& reader) {
  FailedUpdate failed;
  readIdentity(reader, failed.version, failed.digest, failed.attempt);
  reader.text("reason", failed.reason);
  reader.text("at", failed.at);
  reader.boolean("wasTried", failed.wasTried);
  reader.boolean("told", failed.told);
  forgiveOthers(reader);
  return failed;
}

void writeProven(JsonWriter& writer, const char* key, const std::optional<ProvenTree>& tree) {
  if (!tree) return;
  writer.beginObject(key).member("version", tree->version).member("digest", tree->digest);
  writer.member("attempt", tree->attempt).member("told", tree->told);
  if (tree->crashed) writer.member("crashed", true);
  writer.endObject();
}

void writeTrial(JsonWriter& writer, const std::optional<Trial>& trial) {
  if (!trial) {
    writer.key("trial").null();
    return;
  }
  writer.beginObject("trial").member("slot", slotName(trial->slot)).member("version", trial->version);
  writer.member("digest", trial->digest).member("attempt", trial->attempt).member("tries", trial->tries);
  if (trial->waits) writer.member("waits", true);
  writer.member("deadlineMs", trial->deadlineMs).endObject();
}

/** What ran and was given up; one entry a payload, the oldest goes. */
void remember(SlotState& state, FailedUpdate entry, std::uint32_t attempt) {
  if (entry.reason.size() > kMaxReason) entry.reason.resize(kMaxReason);
  entry.attempt = attempt;
  entry.wasTried = true;
  std::erase_if(state.failed, [&](const FailedUpdate& one) { return one.digest == entry.digest; });
  state.failed.push_back(std::move(entry));
  if (state.failed.size() > kMaxFailed) state.failed.erase(state.failed.begin());
}

}  // namespace

const char* slotName(Slot slot) {
  return slotWords()[static_cast<std::size_t>(slot)].data();
}

Result<SlotState> parseSlotState(std::string_view text) {
  Result<JsonReader> reader = JsonReader::parse(text, "slots");
  if (!reader) return Error{"read", EBADMSG, reader.error().message()};
  SlotState state;
  reader->require("base");
  reader->require("committed");
  reader->text("base", state.base);
  reader->word("committed", state.committed, slotWords());
  if (reader->has("trial")) state.trial = readTrial(reader->object("trial"));
  JsonReader proven = reader->object("proven");
  state.a = readProven(proven, "a");
  state.b = readProven(proven, "b");
  forgiveOthers(proven);
  for (JsonReader& one : reader->objects("failed")) state.failed.push_back(readFailed(one));
  if (state.failed.size() > kMaxFailed)
    state.failed.erase(state.failed.begin(), state.failed.end() - static_cast<std::ptrdiff_t>(kMaxFailed));
  forgiveOthers(*reader);
  if (Status status = reader->finish(); !status) return Error{"read", EBADMSG, status.error().message()};
  return state;
}

std::string toJson(const SlotState& state) {
  JsonWriter writer;
  writer.beginObject().member("base", state.base).member("committed", slotName(state.committed));
  writeTrial(writer, state.trial);
  writer.beginObject("proven");
  writeProven(writer, "a", state.a);
  writeProven(writer, "b", state.b);
  writer.endObject().beginArray("failed");
  for (const FailedUpdate& one : state.failed) {
    writer.beginObject().member("version", one.version).member("digest", one.digest).member("attempt", one.attempt);
    writer.member("reason", one.reason).member("at", one.at);
    writer.member("wasTried", one.wasTried).member("told", one.told).endObject();
  }
  writer.endArray().endObject();
  return writer.text();
}

void condemn(SlotState& state, Slot slot, std::string reason, std::string at) {
  std::optional<ProvenTree>& tree = slot == Slot::b ? state.b : state.a;
  if (slot == Slot::usr || !tree) return;
  tree->crashed = true;
  remember(state, {.version = tree->version, .digest = tree->digest, .reason = std::move(reason), .at = std::move(at)},
           tree->attempt);
  if (state.committed != slot) return;
  const Slot other = slot == Slot::a ? Slot::b : Slot::a;
  const std::optional<ProvenTree>& next = state.proven(other);
  const bool good = next && !next->crashed && !(state.trial && state.trial->slot == other);
  state.committed = good ? other : Slot::usr;
}

void failTrial(SlotState& state, std::string reason, std::string at) {
  if (!state.trial) return;
  const Trial trial = *state.trial;
  state.trial.reset();
  remember(state, {.version = trial.version, .digest = trial.digest, .reason = std::move(reason), .at = std::move(at)},
           trial.attempt);
}

Result<TrialNote> parseTrialNote(std::string_view text) {
  Result<JsonReader> reader = JsonReader::parse(text, "trial note");
  if (!reader) return Error{"read", EBADMSG, reader.error().message()};
  TrialNote note;
  reader->require("digest");
  reader->text("digest", note.digest);
  reader->text("reason", note.reason);
  reader->boolean("again", note.again);
  forgiveOthers(*reader);
  if (Status status = reader->finish(); !status) return Error{"read", EBADMSG, status.error().message()};
  return note;
}

std::string toJson(const TrialNote& note) {
  JsonWriter writer;
  writer.beginObject().member("digest", note.digest).member("reason", note.reason);
  if (note.again) writer.member("again", true);
  writer.endObject();
  return writer.text();
}

}  // namespace lightv
