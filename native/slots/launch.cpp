#include "slots/launch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "slots/decide.hpp"
#include "slots/ends.hpp"
#include "slots/guard.hpp"
#include "slots/tree.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

void say(const std::string& text) {
  if (!text.empty()) (void)writeAll(STDERR_FILENO, "lightv agent-launch: " + text + "\n", "stderr");
}

Situation look(const LaunchOptions& options) {
  std::string complaint;
  Situation situation{.state = loadSlotState(options.files, complaint), .base = options.base, .now = timeNow()};
  say(complaint);
  // A damaged /usr is no reason to leave a whole slot for it: then the record's word counts.
  if (situation.base.empty()) situation.base = situation.state ? situation.state->base : "unknown";
  if (!situation.state) return situation;
  const Result<std::string> boot = currentBootId();
  // Without it no try can be told from another: all count as of one boot, so that each trial has one try.
  situation.bootId = boot ? *boot : "unknown";
  situation.flawA = flawOfTree(options.files.tree(Slot::a));
  situation.flawB = flawOfTree(options.files.tree(Slot::b));
  situation.note = loadTrialNote(options.files);
  situation.ends = loadEnds(options.files, situation.bootId);
  return situation;
}

/** Records the decision; a trial that can't be recorded, or not be guarded, does not happen. */
void prepare(const LaunchOptions& options, Decision& decision) {
  if (!decision.next) return;
  Status ready = saveSlotState(options.files, *decision.next);
  // Its reason is in the record now; and each try leaves a note of its own.
  if (ready) (void)::unlink(options.files.note().c_str());
  if (!ready) say("the decision can't be recorded: " + ready.error().message());
  if (!decision.trial) return;
  if (ready) {
    ready = startGuard(options.files, *decision.next->trial);
    if (!ready) {
      say("no trial without a guard: " + ready.error().message());
      failTrial(*decision.next, "it could not be watched: " + ready.error().message(), timeNow());
      (void)saveSlotState(options.files, *decision.next);
    }
  }
  if (ready) return;
  decision.trial = false;
  decision.order.erase(decision.order.begin());
}

void tellAgent(const LaunchOptions& options, const std::string& base, Slot slot, bool trial) {
  ::setenv("LIGHTV_AGENT_SLOT", slotName(slot), 1);
  ::setenv("LIGHTV_AGENT_SLOTS", options.files.directory.c_str(), 1);
  ::setenv("LIGHTV_AGENT_BASE", base.c_str(), 1);
  if (trial) {
    ::setenv("LIGHTV_AGENT_TRIAL", "1", 1);
  } else {
    ::unsetenv("LIGHTV_AGENT_TRIAL");
  }
}

Error execute(const std::string& tree, std::span<const std::string> arguments) {
  const std::string program = tree + "/bin/lightvd";
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  return Error{"execute", errno, program};
}

/** A trial whose program can't be executed is over at once: its guard finds nothing to guard any more. */
void giveUpTrial(const LaunchOptions& options, Decision& decision, const Error& error) {
  failTrial(*decision.next, error.message(), timeNow());
  if (Status saved = saveSlotState(options.files, *decision.next); !saved) say(saved.error().message());
  decision.trial = false;
}

}  // namespace

Error launchAgent(const LaunchOptions& options, std::span<const std::string> arguments) {
  const Situation situation = look(options);
  Decision decision = decide(situation);
  say(decision.remark);
  prepare(options, decision);
  Error last;
  for (const Slot slot : decision.order) {
    tellAgent(options, situation.base, slot, decision.trial);
    last = execute(slot == Slot::usr ? options.usrTree : options.files.tree(slot), arguments);
    say(last.message());
    if (decision.trial) giveUpTrial(options, decision, last);
  }
  return last;
}

Status noteServiceEnd(const LaunchOptions& options, const ServiceEnd& end) {
  const Situation situation = look(options);
  if (!situation.state || situation.state->base != situation.base) return {};
  const std::optional<Trial>& trial = situation.state->trial;
  if (trial && std::find(trial->tries.begin(), trial->tries.end(), situation.bootId) != trial->tries.end())
    return leaveTrialNote(options.files, {trial->digest, describeEnd(end)});
  if (!isCrash(end)) return {};
  // What the launcher chose is what ran: it would choose the same again before this end is counted.
  const Slot ran = standingOrder(situation, *situation.state).front();
  return saveEnds(options.files, withEnd(situation.ends, ran, describeEnd(end), monotonicUs() / 1000));
}

}  // namespace lightv
