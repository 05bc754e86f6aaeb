#include "slots/decide.hpp"

#include <algorithm>

namespace lightv {
namespace {

std::optional<std::string> flawOf(const Situation& situation, Slot slot) {
  if (slot == Slot::usr) return std::nullopt;
  return slot == Slot::b ? situation.flawB : situation.flawA;
}

/** Whole, in force once, and not what a trial stands on. */
bool canRun(const Situation& situation, const SlotState& state, Slot slot) {
  return state.proven(slot) && !flawOf(situation, slot) && !(state.trial && state.trial->slot == slot);
}

bool isGood(const Situation& situation, const SlotState& state, Slot slot) {
  return canRun(situation, state, slot) && !state.proven(slot)->crashed;
}

/** Trees that have crashed too often in a row are bad from now on; gives what there is to say. */
std::string condemnCrashed(const Situation& situation, SlotState& state) {
  std::string remark;
  for (const Slot slot : {Slot::a, Slot::b}) {
    if (!isGood(situation, state, slot) || situation.ends.of(slot) < kMaxEnds) continue;
    const std::string why = "it ended " + std::to_string(situation.ends.of(slot)) +
                            " times in a row before the controller had heard of it, last: " + situation.ends.reason;
    remark = "version " + state.proven(slot)->version + " is given up: " + why;
    condemn(state, slot, why, situation.now);
  }
  return remark;
}

const TrialNote* noteOf(const Situation& situation, const Trial& trial) {
  return situation.note && situation.note->digest == trial.digest ? &*situation.note : nullptr;
}

bool wasTriedInThisBoot(const Situation& situation, const Trial& trial) {
  return std::find(trial.tries.begin(), trial.tries.end(), situation.bootId) != trial.tries.end();
}

/** Its try in this boot is over, and nobody could have reported: it waits until one can. */
bool foundNoNetwork(const Situation& situation, const Trial& trial) {
  const TrialNote* note = noteOf(situation, trial);
  return note != nullptr && note->again && wasTriedInThisBoot(situation, trial) && trial.tries.size() < kMaxTrialTries;
}

/** Why the trial is over; absent: it may have another try. */
std::optional<std::string> whyOver(const Situation& situation, const Trial& trial) {
  if (flawOf(situation, trial.slot)) return "its files are damaged: " + *flawOf(situation, trial.slot);
  if (wasTriedInThisBoot(situation, trial)) {
    const TrialNote* note = noteOf(situation, trial);
    return note != nullptr && !note->reason.empty() ? note->reason : "it ended without having reported";
  }
  if (trial.tries.size() >= kMaxTrialTries)
    return "it was cut off in each of " + std::to_string(kMaxTrialTries) + " boots";
  return std::nullopt;
}

/** What becomes of the trial on record; `decision.trial` when it runs now. */
void decideTrial(const Situation& situation, SlotState& state, Decision& decision) {
  Trial& trial = *state.trial;
  const std::string version = trial.version;
  if (trial.waits) {
    decision.remark = "version " + version + " waits for a network to be tried in";
  } else if (foundNoNetwork(situation, trial)) {
    std::replace(trial.tries.begin(), trial.tries.end(), situation.bootId, situation.bootId + kNoNetworkMark);
    trial.waits = true;
    decision.remark = "version " + version + " found no network, and will be tried again when there is one";
  } else if (const std::optional<std::string> why = whyOver(situation, trial)) {
    failTrial(state, *why, situation.now);
    decision.remark = "version " + version + " has failed its trial: " + *why;
  } else {
    decision.order = {trial.slot};
    decision.trial = true;
    trial.tries.push_back(situation.bootId);
    decision.remark = "version " + version + " is on trial";
  }
}

Decision ofAnotherBase(const Situation& situation) {
  SlotState fresh{.base = situation.base, .failed = situation.state->failed};
  return {.order = {Slot::usr},
          .next = std::move(fresh),
          .remark = "the slots belong to version " + situation.state->base + ", and " + situation.base +
                    " is installed: they are not used any more"};
}

std::string whyNot(const Situation& situation, const SlotState& state) {
  if (situation.ends.of(state.committed) >= kMaxEnds) return "it ends again and again";
  return flawOf(situation, state.committed).value_or("it was never in force");
}

}  // namespace

Decision decide(const Situation& situation) {
  if (!situation.state) return {.order = {Slot::usr}};
  if (situation.state->base != situation.base) return ofAnotherBase(situation);
  SlotState state = *situation.state;
  Decision decision;
  const std::string given = condemnCrashed(situation, state);
  if (state.trial) decideTrial(situation, state, decision);
  if (!given.empty()) decision.remark = given + (decision.remark.empty() ? "" : "; " + decision.remark);
  for (const Slot slot : standingOrder(situation, state)) decision.order.push_back(slot);
  if (!decision.trial && decision.order.front() != state.committed && decision.remark.empty())
    decision.remark = std::string("slot ") + slotName(state.committed) + " can't run: " + whyNot(situation, state);
  if (state != *situation.state) decision.next = std::move(state);
  return decision;
}

std::vector<Slot> standingOrder(const Situation& situation, const SlotState& state) {
  const Slot other = state.committed == Slot::a ? Slot::b : Slot::a;
  std::vector<Slot> order;
  if (state.committed != Slot::usr) {
    for (const Slot slot : {state.committed, other}) {
      if (isGood(situation, state, slot)) order.push_back(slot);
    }
  }
  order.push_back(Slot::usr);
  for (const Slot slot : {Slot::a, Slot::b}) {
    if (canRun(situation, state, slot) && std::find(order.begin(), order.end(), slot) == order.end())
      order.push_back(slot);
  }
  std::stable_sort(order.begin(), order.end(), [&](Slot one, Slot two) {
    return situation.ends.of(one) / kMaxEnds < situation.ends.of(two) / kMaxEnds;
  });
  return order;
}

}  // namespace lightv
