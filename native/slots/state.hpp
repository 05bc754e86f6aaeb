// Which agent runs: the record of the slots (docs/update.md), as it lies in ROOT/agent/slots/state.json.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

/** usr is the tree that this program was installed with: the last resort, never updated over the air. */
enum class Slot { usr, a, b };
const char* slotName(Slot slot);

/** A tree that was in force once: it may be fallen back to. */
struct ProvenTree {
  std::string version, digest;
  std::uint32_t attempt = 0;
  bool told = false;     // agent.updated is in the outbox
  bool crashed = false;  // it ended again and again since: only when nothing else is left
  bool operator==(const ProvenTree&) const = default;
};

/** A tree that has still to show that it can report. */
struct Trial {
  Slot slot = Slot::a;
  std::string version, digest;
  std::uint32_t attempt = 0;
  std::vector<std::string> tries;  // boot ids; one that found no network is marked (kNoNetworkMark)
  bool waits = false;              // for an agent that is online and takes this away
  std::uint32_t deadlineMs = 60'000;
  bool operator==(const Trial&) const = default;
};

/** A payload that is not tried again by itself. */
struct FailedUpdate {
  std::string version, digest, reason, at;
  std::uint32_t attempt = 0;
  bool wasTried = false;  // it ran and was rolled back; else it did not get so far
  bool told = false;      // the event is in the outbox
  bool operator==(const FailedUpdate&) const = default;
};

struct SlotState {
  std::string base;  // version of the usr tree that the slots belong to
  Slot committed = Slot::usr;
  std::optional<Trial> trial;
  std::optional<ProvenTree> a, b;
  std::vector<FailedUpdate> failed;  // newest last
  bool operator==(const SlotState&) const = default;

  [[nodiscard]] const std::optional<ProvenTree>& proven(Slot slot) const { return slot == Slot::b ? b : a; }
};

constexpr std::size_t kMaxFailed = 16;
constexpr std::size_t kMaxReason = 512;
constexpr std::uint32_t kMinDeadlineMs = 5'000, kMaxDeadlineMs = 600'000;

/** EBADMSG when it is no such record; keys of a newer version are forgiven. */
Result<SlotState> parseSlotState(std::string_view text);
std::string toJson(const SlotState& state);

/** Behind the boot id of a try that found no network: it counts, and does not keep this boot from another. */
constexpr const char* kNoNetworkMark = "+";

/** The tree is bad now although it was in force: remembered as a failure, and another one is committed. */
void condemn(SlotState& state, Slot slot, std::string reason, std::string at);
/** Ends the trial as a failure: remembered, bounded, the reason cut to what fits. */
void failTrial(SlotState& state, std::string reason, std::string at);

/** What is known of how a trial ended, left by whoever ended it (guard, service manager, the agent itself). */
struct TrialNote {
  std::string digest, reason;
  bool again = false;  // there was no network at all: that says nothing of the version
};
Result<TrialNote> parseTrialNote(std::string_view text);
std::string toJson(const TrialNote& note);

}  // namespace lightv
