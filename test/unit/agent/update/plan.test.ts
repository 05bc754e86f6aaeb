/** What an agent does about the version that it shall have. */
import * as assert from "uvu/assert";
import type { Launch, Slot } from "#agent/update/launch.ts";
import { launchOf } from "#agent/update/launch.ts";
import { plan, runningDigest, type Situation } from "#agent/update/plan.ts";
import {
  addFailed,
  allTold,
  beginInstall,
  beginTrial,
  commitTrial,
  failureOf,
  freeSlot,
  parseSlotState,
  resumeTrial,
  type SlotState,
  withoutTrial,
} from "#agent/update/state.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/update/plan");
const digest = (n: number): string => `sha256:${String(n).repeat(64)}`;
const WANTED: DesiredAgent = {
  version: "2.0.0",
  digest: digest(2),
  size: 1,
  architecture: "amd64",
  signature: `${"A".repeat(86)}==`,
  key: "0123456789abcdef",
};
const EMPTY: SlotState = { base: "1.0.0", committed: "usr", trial: null, failed: [] };
const launched = (slot: Slot = "usr", trial = false): Launch => ({ slot, directory: "/slots", base: "1.0.0", trial });

function situation(more: Partial<Situation> = {}): Situation {
  return { wanted: WANTED, state: EMPTY, launch: launched(), architecture: "amd64", trust: "good", keysDirectory: "/keys", ...more };
}

test("nothing is wanted, or what is wanted runs: nothing to do", () => {
  assert.equal(plan(situation({ wanted: undefined })), { do: "nothing" });
  const state: SlotState = { ...EMPTY, committed: "a", proven: { a: { version: "2.0.0", digest: digest(2) } } };
  assert.equal(plan(situation({ state, launch: launched("a") })), { do: "nothing" });
  // No key is needed for what runs.
  assert.equal(plan(situation({ state, launch: launched("a"), trust: "no-keys" })), { do: "nothing" });
});

test("a version goes into the slot that does not run, an older one as well", () => {
  assert.equal(plan(situation()), { do: "install", slot: "a" });
  const state: SlotState = { ...EMPTY, committed: "a", proven: { a: { version: "3.0.0", digest: digest(3) } } };
  assert.equal(plan(situation({ state, launch: launched("a") })), { do: "install", slot: "b" });
  assert.equal(plan(situation({ state, launch: launched("b") })), { do: "install", slot: "a" });
  assert.equal(
    ["usr", "a", "b"].map((slot) => freeSlot(slot as Slot)),
    ["a", "b", "a"],
  );
});

test("without the launcher no version is installed, and that is said", () => {
  const next = plan(situation({ launch: launchOf({}) }));
  assert.match(next.do === "refuse" ? next.reason : "", /not started by `lightv agent-launch`/);
  assert.ok(next.do === "refuse" && !next.event);
});

test("what does not fit this device, or is not signed for it, is refused before a byte moves", () => {
  const reason = (more: Partial<Situation>): string => {
    const next = plan(situation(more));
    assert.is(next.do, "refuse");
    return next.do === "refuse" ? next.reason : "";
  };
  assert.match(reason({ architecture: "arm64" }), /is for amd64, and this device is arm64/);
  assert.match(reason({ trust: "no-keys" }), /no key in \/keys/);
  assert.match(reason({ trust: "unknown-key" }), /key 0123456789abcdef, which is not in \/keys/);
  assert.match(reason({ trust: "forged" }), /signature of version 2\.0\.0 is wrong/);
});

test("what has failed is remembered, until the operator counts its attempt up", () => {
  const failed = addFailed(EMPTY, WANTED, "it crashed", "then");
  assert.equal(plan(situation({ state: failed })), { do: "remember", reason: "version 2.0.0 failed: it crashed" });
  const rolledBack = { ...failed, failed: (failed.failed ?? []).map((one) => ({ ...one, wasTried: true, attempt: 4 })) };
  assert.equal(plan(situation({ state: rolledBack, wanted: { ...WANTED, attempt: 4 } })).do, "remember");
  assert.equal(plan(situation({ state: rolledBack, wanted: { ...WANTED, attempt: 5 } })), { do: "install", slot: "a" });
  assert.equal(plan(situation({ state: failed, wanted: { ...WANTED, digest: digest(3) } })).do, "install");
  // Also when the keys are gone: the old reason says more.
  assert.equal(plan(situation({ state: failed, trust: "no-keys" })).do, "remember");
});

test("on trial it has to prove itself, whatever is wanted by now", () => {
  const state = beginTrial(EMPTY, "a", WANTED, 60_000);
  for (const wanted of [WANTED, { ...WANTED, digest: digest(3) }, undefined])
    assert.equal(plan(situation({ state, launch: launched("a", true), wanted })), { do: "prove" });
});

test("a trial that the launcher could not begin is asked for again; one of something else makes way", () => {
  const state = beginTrial(EMPTY, "a", WANTED, 60_000);
  assert.equal(plan(situation({ state })), { do: "relaunch" });
  // One that found no network is asked for once there is one, also in the boot that has tried it.
  const waiting: SlotState = { ...state, trial: state.trial ? { ...state.trial, tries: ["boot+"], waits: true } : null };
  assert.equal(plan(situation({ state: waiting })), { do: "resume" });
  assert.equal(resumeTrial(waiting).trial?.waits, false);
  assert.is(withoutTrial(waiting, "boot")?.trial, null);
  assert.equal(plan(situation({ state, wanted: { ...WANTED, digest: digest(3) } })), { do: "install", slot: "a" });
});

test("the record's way through an update: the slot counts for nothing while it is filled, then is on trial, then in force", () => {
  const before: SlotState = {
    ...EMPTY,
    committed: "a",
    proven: { a: { version: "1.5.0", digest: digest(1) }, b: { version: "1.4.0", digest: digest(4) } },
  };
  const filling = beginInstall(before, "a", "b");
  assert.equal([filling.committed, filling.proven, filling.trial], ["a", { a: before.proven?.a }, null]);
  const trying = beginTrial(filling, "b", { ...WANTED, attempt: 7 }, 30_000);
  assert.equal(trying.trial, { slot: "b", version: "2.0.0", digest: digest(2), attempt: 7, tries: [], deadlineMs: 30_000 });
  const done = commitTrial({ ...trying, failed: addFailed(EMPTY, WANTED, "before", "then").failed ?? [] });
  assert.equal([done.committed, done.trial, done.failed], ["b", null, []]);
  assert.is(runningDigest(done, "b"), digest(2));
  assert.is(runningDigest(done, "usr"), undefined);
  assert.equal(commitTrial(done), done);
  const told = allTold(done);
  assert.ok(told.proven?.b?.told === true);
});

test("a fallback that runs is in force before the slot that it came after is overwritten", () => {
  const state: SlotState = {
    ...EMPTY,
    committed: "a",
    proven: { a: { version: "3", digest: digest(3) }, b: { version: "2", digest: digest(4) } },
  };
  assert.equal(beginInstall(state, "b", "a").committed, "b");
});

test("failures are bounded, and one payload is kept once", () => {
  let state = EMPTY;
  for (let n = 0; n < 40; n++) state = addFailed(state, { ...WANTED, digest: `d${n % 20}` }, "x".repeat(2000), "then");
  assert.is(state.failed?.length, 16);
  assert.is(state.failed?.at(-1)?.reason.length, 512);
  assert.is(failureOf(state, WANTED), undefined);
});

test("a record is taken as it is on disk, and garbage is none", () => {
  const state = beginTrial(addFailed(EMPTY, WANTED, "why", "then"), "b", WANTED, 60_000);
  assert.equal(parseSlotState(JSON.stringify(state)), state);
  for (const text of [
    "",
    "{",
    "[]",
    "{}",
    '{"base":"1"}',
    '{"base":"1","committed":"c"}',
    '{"base":"1","committed":"a","trial":{"slot":"usr"}}',
  ])
    assert.is(parseSlotState(text), undefined, text);
});

test("the launcher's word in the environment is taken whole, or not at all", () => {
  const env = { LIGHTV_AGENT_SLOT: "a", LIGHTV_AGENT_SLOTS: "/s", LIGHTV_AGENT_BASE: "1", LIGHTV_AGENT_TRIAL: "1" };
  assert.equal(launchOf(env), { slot: "a", directory: "/s", base: "1", trial: true });
  assert.equal(launchOf({ ...env, LIGHTV_AGENT_TRIAL: undefined }).trial, false);
  assert.equal(launchOf({ ...env, LIGHTV_AGENT_SLOT: "usr" }).trial, false);
  assert.is(launchOf({ ...env, LIGHTV_AGENT_SLOT: "c" }).directory, undefined);
  assert.is(launchOf({ ...env, LIGHTV_AGENT_BASE: undefined }).directory, undefined);
});
