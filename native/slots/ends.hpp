// Agents that end again and again before the controller has heard of them: RUNROOT/agent-ends.json.
#pragma once

#include <cstdint>
#include <string>

#include "slots/files.hpp"

namespace lightv {

/** How a service ended, as the service manager tells it to ExecStopPost (systemd.exec(5)). */
struct ServiceEnd {
  std::string result, code, status;  // $SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS
};
/** One sentence for people. */
std::string describeEnd(const ServiceEnd& end);
/**
 * Whether this end speaks against the version that ran: a crash, a hang, an end that nobody asked for. Not a stop, not
 * what lies in the device's configuration, disk or memory, and not what kept the program from being executed at all.
 */
bool isCrash(const ServiceEnd& end);

/**
 * Crashes in a row, of each tree. It lies where a reboot clears it away, and where a full or read-only disk does not
 * keep it from being counted; an agent whose first report was acknowledged removes it (agent/update/ends.ts).
 */
struct AgentEnds {
  std::string bootId;
  std::uint64_t atMs = 0;  // CLOCK_MONOTONIC of the last one
  std::string reason;      // of the last one
  std::uint32_t usr = 0, a = 0, b = 0;
  bool operator==(const AgentEnds&) const = default;

  [[nodiscard]] std::uint32_t of(Slot slot) const { return slot == Slot::usr ? usr : slot == Slot::a ? a : b; }
};

/** So many make a tree bad. */
constexpr std::uint32_t kMaxEnds = 5;
/** What is further apart is no row: an agent that lives for so long is there to be reached. */
constexpr std::uint64_t kSameRowMs = 15ULL * 60 * 1000;

/** With one more. Pure. */
AgentEnds withEnd(const AgentEnds& before, Slot slot, const std::string& reason, std::uint64_t nowMs);

/** Of this boot; empty when there are none, or what is there is no such record. */
AgentEnds loadEnds(const SlotFiles& files, const std::string& bootId);
Status saveEnds(const SlotFiles& files, const AgentEnds& ends);

}  // namespace lightv
