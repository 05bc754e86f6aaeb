// Which tree the launcher runs: a pure function of what lies on the disk.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "slots/ends.hpp"

namespace lightv {

struct Situation {
  std::optional<SlotState> state;  // absent: there is none, or it is garbage
  std::string base;                // version of the usr tree
  std::string bootId;
  std::optional<std::string> flawA, flawB;  // why a slot's tree can't run; absent: it looks whole
  std::optional<TrialNote> note;
  AgentEnds ends;   // of this boot
  std::string now;  // RFC 3339, for people
};

struct Decision {
  /** To be tried in this order, until an execve succeeds; usr is always among them. */
  std::vector<Slot> order;
  /** The first of `order` is on trial. It may only run once `next` is on the disk: else it is left out. */
  bool trial = false;
  /** What the record shall be; absent: as it is. */
  std::optional<SlotState> next;
  /** What was found out, for people; may be empty. */
  std::string remark;
};

/** So often a trial may be cut off by a reboot or a power cut before it counts as failed. */
constexpr std::size_t kMaxTrialTries = 3;

Decision decide(const Situation& situation);

/**
 * What runs when nothing is on trial, best first: the committed tree, the other one that was in force once, usr, and
 * behind it, so that a broken /usr is not the end, whole trees that have crashed. Whose crashes were more comes later,
 * five by five, so that each has its turn when all of them crash.
 */
std::vector<Slot> standingOrder(const Situation& situation, const SlotState& state);

}  // namespace lightv
