#include "slots/files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMaxStateBytes = 256U << 10;

}  // namespace

std::optional<SlotState> loadSlotState(const SlotFiles& files, std::string& complaint) {
  const Result<std::string> text = readFile(files.state(), kMaxStateBytes);
  if (!text && (text.error().err == ENOENT || text.error().err == ENOTDIR)) return std::nullopt;
  Result<SlotState> state = text ? parseSlotState(*text) : Result<SlotState>(text.error());
  if (state) return *state;
  complaint = files.state() + " can't be used: " + state.error().message();
  // For whoever wants to know what happened; one is kept, so that it is bounded.
  if (text || text.error().err == EFBIG) (void)::rename(files.state().c_str(), (files.state() + ".damaged").c_str());
  return std::nullopt;
}

Status saveSlotState(const SlotFiles& files, const SlotState& state) {
  return writeFileAtomic(files.state(), toJson(state) + "\n", 0600, Durable::yes);
}

std::optional<TrialNote> loadTrialNote(const SlotFiles& files) {
  const Result<std::string> text = readFile(files.note(), kMaxStateBytes);
  if (!text) return std::nullopt;
  const Result<TrialNote> note = parseTrialNote(*text);
  return note ? std::optional(*note) : std::nullopt;
}

Status leaveTrialNote(const SlotFiles& files, const TrialNote& note) {
  const std::optional<TrialNote> before = loadTrialNote(files);
  if (before && before->digest == note.digest) return {};
  return writeFileAtomic(files.note(), toJson(note) + "\n", 0600, Durable::yes);
}

Result<std::string> currentBootId() {
  Result<std::string> text = readFile("/proc/sys/kernel/random/boot_id", 128);
  if (!text) return text.error();
  return std::string(trim(*text));
}

}  // namespace lightv
