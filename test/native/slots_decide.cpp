// Which agent runs, for all that can lie on the disk.
#include "slots/decide.hpp"

#include <doctest/doctest.h>

using namespace lightv;

namespace {

const std::string kNew = "sha256:new";

SlotState committedTo(Slot slot) {
  SlotState state{.base = "1", .committed = slot};
  if (slot != Slot::usr) state.a = ProvenTree{"2", "sha256:a", 0, true};
  if (slot == Slot::b) state.b = ProvenTree{"3", "sha256:b", 0, true};
  return state;
}

SlotState onTrial(Slot committed, Slot slot, std::vector<std::string> tries = {}) {
  SlotState state = committedTo(committed);
  if (slot == Slot::b) state.b.reset();
  if (slot == Slot::a) state.a.reset();
  state.trial = Trial{.slot = slot, .version = "9", .digest = kNew, .tries = std::move(tries)};
  return state;
}

Situation with(SlotState state) {
  return {.state = std::move(state), .base = "1", .bootId = "boot-1", .now = "2026-01-01T00:00:00Z"};
}

using Order = std::vector<Slot>;

}  // namespace

TEST_CASE("slots: without a record the installed agent runs, and nothing is written") {
  const Decision decision = decide({.base = "1", .bootId = "boot-1"});
  CHECK(decision.order == Order{Slot::usr});
  CHECK_FALSE(decision.trial);
  CHECK_FALSE(decision.next.has_value());
}

TEST_CASE("slots: the committed tree runs, then the one before it, then the installed one") {
  CHECK(decide(with(committedTo(Slot::usr))).order == Order{Slot::usr});
  CHECK(decide(with(committedTo(Slot::a))).order == Order{Slot::a, Slot::usr});
  const Decision decision = decide(with(committedTo(Slot::b)));
  CHECK(decision.order == Order{Slot::b, Slot::a, Slot::usr});
  CHECK_FALSE(decision.next.has_value());
  CHECK(decision.remark.empty());
}

TEST_CASE("slots: a damaged tree is passed over, and that is said") {
  Situation situation = with(committedTo(Slot::b));
  situation.flawB = "release.json is missing";
  Decision decision = decide(situation);
  CHECK(decision.order == Order{Slot::a, Slot::usr});
  CHECK(decision.remark.find("release.json is missing") != std::string::npos);
  situation.flawA = "gone";
  decision = decide(situation);
  CHECK(decision.order == Order{Slot::usr});
  CHECK_FALSE(decision.next.has_value());
}

TEST_CASE("slots: committed to a slot that was never in force means the installed one") {
  SlotState state = committedTo(Slot::b);
  state.b.reset();
  CHECK(decide(with(state)).order == Order{Slot::a, Slot::usr});
}

TEST_CASE("slots: slots of another installed version are not used, and what failed stays known") {
  SlotState state = onTrial(Slot::a, Slot::b);
  state.failed.push_back({.version = "8", .digest = "sha256:bad", .reason = "it crashed"});
  Situation situation = with(state);
  situation.base = "2";
  const Decision decision = decide(situation);
  CHECK(decision.order == Order{Slot::usr});
  CHECK_FALSE(decision.trial);
  REQUIRE(decision.next.has_value());
  CHECK(decision.next->base == "2");
  CHECK(decision.next->committed == Slot::usr);
  CHECK_FALSE(decision.next->trial.has_value());
  CHECK_FALSE(decision.next->a.has_value());
  CHECK(decision.next->failed == state.failed);
}

TEST_CASE("slots: a new trial runs once in a boot, from either slot and over any committed tree") {
  for (const Slot committed : {Slot::usr, Slot::a, Slot::b}) {
    const Slot slot = committed == Slot::a ? Slot::b : Slot::a;
    const Decision decision = decide(with(onTrial(committed, slot)));
    CHECK(decision.trial);
    CHECK(decision.order.front() == slot);
    CHECK(decision.order[1] == committed);
    CHECK(decision.order.back() == Slot::usr);
    REQUIRE(decision.next.has_value());
    CHECK(decision.next->trial->tries == std::vector<std::string>{"boot-1"});
    CHECK(decision.next->committed == committed);
    // The same again: it has ended without having committed.
    const Decision second = decide(with(*decision.next));
    CHECK_FALSE(second.trial);
    CHECK(second.order.front() == committed);
    REQUIRE(second.next.has_value());
    CHECK_FALSE(second.next->trial.has_value());
    REQUIRE(second.next->failed.size() == 1);
    CHECK(second.next->failed[0].digest == kNew);
    CHECK(second.next->failed[0].wasTried);
    CHECK_FALSE(second.next->failed[0].told);
    CHECK(second.next->failed[0].reason == "it ended without having reported");
    // And the third time there is nothing left to decide.
    CHECK_FALSE(decide(with(*second.next)).next.has_value());
  }
}

TEST_CASE("slots: whoever ended a trial tells why, if it was this one") {
  Situation situation = with(onTrial(Slot::usr, Slot::a, {"boot-1"}));
  situation.note = TrialNote{kNew, "it exited with status 3"};
  CHECK(decide(situation).next->failed[0].reason == "it exited with status 3");
  situation.note = TrialNote{"sha256:other", "it exited with status 3"};
  CHECK(decide(situation).next->failed[0].reason == "it ended without having reported");
}

TEST_CASE("slots: a trial that a reboot cut off has another try, three in all") {
  Situation situation = with(onTrial(Slot::usr, Slot::a, {"boot-a"}));
  CHECK(decide(situation).trial);
  CHECK(decide(situation).next->trial->tries == std::vector<std::string>{"boot-a", "boot-1"});
  situation.state->trial->tries = {"boot-a", "boot-b"};
  CHECK(decide(situation).trial);
  situation.state->trial->tries = {"boot-a", "boot-b", "boot-c"};
  const Decision decision = decide(situation);
  CHECK_FALSE(decision.trial);
  CHECK(decision.next->failed[0].reason == "it was cut off in each of 3 boots");
}

TEST_CASE("slots: a trial whose files are damaged does not run") {
  Situation situation = with(onTrial(Slot::usr, Slot::a));
  situation.flawA = "no node";
  const Decision decision = decide(situation);
  CHECK_FALSE(decision.trial);
  CHECK(decision.order == Order{Slot::usr});
  CHECK(decision.next->failed[0].reason == "its files are damaged: no node");
}

TEST_CASE("slots: a trial is never what is fallen back to, and neither is what it overwrote") {
  // Damaged record: the proven tree of b is still named although b is on trial.
  SlotState state = onTrial(Slot::a, Slot::b);
  state.b = ProvenTree{"3", "sha256:b", 0, true};
  CHECK(decide(with(state)).order == Order{Slot::b, Slot::a, Slot::usr});
}

TEST_CASE("slots: what failed is bounded, and the same payload is kept once") {
  SlotState state = onTrial(Slot::usr, Slot::a);
  for (std::size_t n = 0; n < kMaxFailed; ++n) state.failed.push_back({.version = "8", .digest = std::to_string(n)});
  failTrial(state, std::string(10'000, 'x'), "now");
  CHECK(state.failed.size() == kMaxFailed);
  CHECK(state.failed.front().digest == "1");
  CHECK(state.failed.back().reason.size() == kMaxReason);
  state.trial = Trial{.version = "9", .digest = kNew};
  failTrial(state, "again", "now");
  CHECK(state.failed.size() == kMaxFailed);
  CHECK(state.failed.back().reason == "again");
}

TEST_CASE("slots: the record reads back as it was, and garbage is refused") {
  SlotState state = onTrial(Slot::a, Slot::b, {"boot-1"});
  failTrial(state, "why \"not\"", "then");
  state.trial = Trial{.slot = Slot::b, .version = "9", .digest = kNew, .attempt = 3, .tries = {"x"}};
  const Result<SlotState> read = parseSlotState(toJson(state));
  REQUIRE(read.ok());
  CHECK(*read == state);
  CHECK(parseSlotState(R"({"base":"1","committed":"b","later":{"x":[1]}})").ok());
  for (const char* broken : {"", "{", "[]", "{}", R"({"base":"1"})", R"({"base":"1","committed":"c"})",
                             R"({"base":"1","committed":"a","trial":{"slot":"usr","version":"1","digest":"d"}})",
                             R"({"base":"1","committed":"a","trial":{"slot":"b"}})", R"({"base":1,"committed":"a"})"}) {
    INFO(broken);
    CHECK_FALSE(parseSlotState(broken).ok());
  }
}

TEST_CASE("slots: a deadline is kept within bounds") {
  const auto deadline = [](const std::string& ms) {
    return parseSlotState(
               R"({"base":"1","committed":"usr","trial":{"slot":"a","version":"1","digest":"d","deadlineMs":)" + ms +
               "}}")
        ->trial->deadlineMs;
  };
  CHECK(deadline("1") == kMinDeadlineMs);
  CHECK(deadline("30000") == 30'000);
  CHECK(deadline("4000000000") == kMaxDeadlineMs);
}

TEST_CASE("slots: a tree that crashes five times in a row is given up for the other good one") {
  Situation situation = with(committedTo(Slot::b));
  situation.ends = {.reason = "signal SEGV ended it", .b = kMaxEnds - 1};
  CHECK_FALSE(decide(situation).next.has_value());
  situation.ends.b = kMaxEnds;
  const Decision decision = decide(situation);
  CHECK(decision.order == Order{Slot::a, Slot::usr, Slot::b});
  REQUIRE(decision.next.has_value());
  CHECK(decision.next->committed == Slot::a);
  CHECK(decision.next->b->crashed);
  CHECK(decision.next->failed.at(0).digest == "sha256:b");
  CHECK(decision.remark.find("version 3 is given up") != std::string::npos);
  // Said once.
  CHECK_FALSE(decide(with(*decision.next)).next.has_value());
  CHECK(*parseSlotState(toJson(*decision.next)) == *decision.next);
}

TEST_CASE("slots: crashes of the installed agent give up nothing, and another tree's are not its own") {
  Situation situation = with(committedTo(Slot::a));
  situation.ends.usr = 100;
  situation.ends.b = 100;
  CHECK_FALSE(decide(situation).next.has_value());
  CHECK(decide(situation).order.front() == Slot::a);
  situation = with(committedTo(Slot::usr));
  situation.ends.usr = 100;
  CHECK(decide(situation).order == Order{Slot::usr});
}

TEST_CASE("slots: when everything crashes each has its turn, five starts at a time") {
  SlotState state = committedTo(Slot::a);
  condemn(state, Slot::a, "it crashed", "then");
  Situation situation = with(state);
  CHECK(decide(situation).order == Order{Slot::usr, Slot::a});
  situation.ends.usr = kMaxEnds;
  CHECK(decide(situation).order == Order{Slot::a, Slot::usr});
  situation.ends.a = kMaxEnds;
  CHECK(decide(situation).order == Order{Slot::usr, Slot::a});
  situation.ends.usr = 2 * kMaxEnds;
  CHECK(decide(situation).order == Order{Slot::a, Slot::usr});
}

TEST_CASE("slots: a try that found no network waits for one, and is no failure") {
  Situation situation = with(onTrial(Slot::usr, Slot::a, {"boot-1"}));
  situation.note = TrialNote{kNew, "there is no network", true};
  const Decision decision = decide(situation);
  CHECK_FALSE(decision.trial);
  CHECK(decision.order.front() == Slot::usr);
  REQUIRE(decision.next.has_value());
  CHECK(decision.next->failed.empty());
  CHECK(decision.next->trial->waits);
  CHECK(*parseSlotState(toJson(*decision.next)) == *decision.next);
  // Until an agent that is online says so, in this boot or another.
  Situation later = with(*decision.next);
  CHECK_FALSE(decide(later).trial);
  CHECK_FALSE(decide(later).next.has_value());
  later.bootId = "boot-2";
  CHECK_FALSE(decide(later).trial);
  later.bootId = "boot-1";
  later.state->trial->waits = false;
  CHECK(decide(later).trial);
  CHECK(decide(later).next->trial->tries == std::vector<std::string>{"boot-1+", "boot-1"});
}

TEST_CASE("slots: tries that find no network are bounded, and only the trial's own word counts") {
  Situation situation = with(onTrial(Slot::usr, Slot::a, {"boot-1+", "boot-1+", "boot-1"}));
  situation.note = TrialNote{kNew, "there is no network", true};
  CHECK(decide(situation).next->failed.at(0).reason == "there is no network");
  situation = with(onTrial(Slot::usr, Slot::a, {"boot-1"}));
  situation.note = TrialNote{"sha256:other", "there is no network", true};
  CHECK(decide(situation).next->failed.size() == 1);
  CHECK(parseTrialNote(toJson(TrialNote{kNew, "why", true}))->again);
  CHECK_FALSE(parseTrialNote(toJson(TrialNote{kNew, "why"}))->again);
}
