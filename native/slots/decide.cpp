#include "slots/decide.hpp"

#include <algorithm>

namespace lightv {
namespace {

const std::optional<std::string>& flawOf(const Situation& situation, Slot slot) {
  return slot == Slot::b ? situation.flawB : situation.flawA;
}

/** Whole, proven and not found bad since. */
bool mayRun(const Situation& situation, const SlotState& state, Slot slot) {
  const std::optional<ProvenTree>& tree = state.proven(slot);
  return tree && !flawOf(situation, slot) && !(state.trial && state.trial->slot == slot);
}

/** The committed tree, then the other one that was in force once, then the one that is always there. */
std::vector<Slot> fallbacks(const Situation& situation, const SlotState& state) {
  std::vector<Slot> order;
  const Slot other = state.committed == Slot::a ? Slot::b : Slot::a;
  if (state.committed != Slot::usr) {
    for (const Slot slot : {state.committed, other}) {
      if (mayRun(situation, state, slot)) order.push_back(slot);
    }
  }
  order.push_back(Slot::usr);
  return order;
}

/** Why the trial is over; absent: it may have another try. */
std::optional<std::string> whyOver(const Situation& situation, const Trial& trial) {
  if (flawOf(situation, trial.slot)) return "its files are damaged: " + *flawOf(situation, trial.slot);
  if (std::find(trial.tries.begin(), trial.tries.end(), situation.bootId) != trial.tries.end()) {
    const bool known = situation.note && situation.note->digest == trial.digest && !situation.note->reason.empty();
    return known ? situation.note->reason : "it ended without having reported";
  }
  if (trial.tries.size() >= kMaxTrialTries)
    return "it was cut off in each of " + std::to_string(kMaxTrialTries) + " boots";
  return std::nullopt;
}

Decision ofAnotherBase(const Situation& situation) {
  SlotState fresh{.base = situation.base, .failed = situation.state->failed};
  return {.order = {Slot::usr},
          .next = std::move(fresh),
          .remark = "the slots belong to version " + situation.state->base + ", and " + situation.base +
                    " is installed: they are not used any more"};
}

}  // namespace

Decision decide(const Situation& situation) {
  if (!situation.state) return {.order = {Slot::usr}};
  if (situation.state->base != situation.base) return ofAnotherBase(situation);
  SlotState state = *situation.state;
  Decision decision;
  if (state.trial) {
    const std::string version = state.trial->version;
    if (const std::optional<std::string> why = whyOver(situation, *state.trial)) {
      failTrial(state, *why, situation.now);
      decision.remark = "version " + version + " has failed its trial: " + *why;
    } else {
      decision.order = {state.trial->slot};
      decision.trial = true;
      state.trial->tries.push_back(situation.bootId);
      decision.remark = "version " + version + " is on trial";
    }
  }
  for (const Slot slot : fallbacks(situation, state)) decision.order.push_back(slot);
  if (!decision.trial && decision.order.front() != state.committed && decision.remark.empty())
    decision.remark = std::string("slot ") + slotName(state.committed) +
                      " can't run: " + flawOf(situation, state.committed).value_or("it was never in force");
  if (state != *situation.state) decision.next = std::move(state);
  return decision;
}

}  // namespace lightv
