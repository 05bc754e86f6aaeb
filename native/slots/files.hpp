// The files of the slots, and the small steps over them.
#pragma once

#include <optional>
#include <string>

#include "slots/state.hpp"

namespace lightv {

/** ROOT/agent/slots: state.json, note.json, and the trees a and b. RUNROOT: what a reboot forgets. */
struct SlotFiles {
  std::string directory;
  std::string run;

  [[nodiscard]] std::string state() const { return directory + "/state.json"; }
  [[nodiscard]] std::string note() const { return directory + "/note.json"; }
  [[nodiscard]] std::string ends() const { return run + "/agent-ends.json"; }
  [[nodiscard]] std::string tree(Slot slot) const { return directory + "/" + slotName(slot); }
};

/**
 * The record; absent when there is none. What is no record is moved aside (state.json.damaged) and counts as absent;
 * `complaint` says so, and says what could not be read.
 */
std::optional<SlotState> loadSlotState(const SlotFiles& files, std::string& complaint);
/** On the disk when it returns. */
Status saveSlotState(const SlotFiles& files, const SlotState& state);

std::optional<TrialNote> loadTrialNote(const SlotFiles& files);
/** Unless there is one of the same payload already: who ended it knows best, and is first. Durable. */
Status leaveTrialNote(const SlotFiles& files, const TrialNote& note);

/** This boot of the machine (random(4)). */
Result<std::string> currentBootId();

}  // namespace lightv
