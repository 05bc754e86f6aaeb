/** Who looks at the slots of an agent after a power cut, and at what it told, must see what is wrong. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import type { DeviceView, EventView } from "#test/lib/world.ts";
import { agentInForce, checkAgentEvents } from "#test/system/lib/power-cuts/agent-events.ts";
import { checkSlots, type PromisedAgent, type Slots } from "#test/system/lib/power-cuts/slots.ts";

const test = suite("power-slots");

const NODE = ["lib/lightv/node", "something"] as const;
const [OLD, NEW] = ["sha256:old", "sha256:new"];
const OLD_TREE = new Map([["bin/lightvd", "1"]]);
const NEW_TREE = new Map([["bin/lightvd", "2"]]);
const PROMISED: PromisedAgent = {
  base: "1.0.0",
  inForce: OLD,
  wanted: NEW,
  trees: new Map([
    [OLD, OLD_TREE],
    [NEW, NEW_TREE],
  ]),
};
const STATE = {
  base: "1.0.0",
  committed: "a",
  trial: { slot: "b", version: "3", digest: NEW, tries: [], deadlineMs: 1 },
  proven: { a: { version: "2", digest: OLD } },
};
const SLOTS: Slots = {
  record: JSON.stringify(STATE),
  names: ["state.json", "a", "b"],
  trees: { a: new Map([...OLD_TREE, NODE]), b: new Map([...NEW_TREE, NODE]) },
};

const slots = (more: Partial<Slots>, promised: Partial<PromisedAgent> = {}): string =>
  checkSlots({ ...SLOTS, ...more }, { ...PROMISED, ...promised }).join("\n");
const state = (more: object): Partial<Slots> => ({ record: JSON.stringify({ ...STATE, ...more }) });

test("whole slots give no complaint, before the first update, on trial and in force", () => {
  assert.is(slots({}), "");
  assert.is(slots({ record: undefined, names: [] }, { inForce: undefined }), "");
  assert.is(slots(state({ trial: null, committed: "b", proven: { b: { version: "3", digest: NEW } } })), "");
});

test("a record that is torn, gone, or was damaged is seen", () => {
  assert.match(slots({ record: SLOTS.record?.slice(0, 30) }), /record is damaged/);
  assert.match(slots({ record: "" }), /record is damaged/);
  assert.match(slots({ record: undefined }), /no record of slots/);
  assert.match(slots({ names: ["state.json", "state.json.damaged"] }), /found damaged/);
  assert.match(slots(state({ base: "0.9.0" })), /base 0.9.0/);
});

test("a version in force that nobody told of, or one that was never proven, is seen", () => {
  assert.match(slots(state({ committed: "usr" })), /undefined is in force on the disk/);
  assert.match(slots(state({ proven: {} })), /never proven/);
});

test("a tree that is on record and not whole is seen; what nobody names is not looked at", () => {
  assert.match(slots({ trees: { ...SLOTS.trees, b: new Map([NODE]) } }), /slot b: bin.lightvd is missing/);
  assert.match(slots({ trees: { ...SLOTS.trees, b: NEW_TREE } }), /slot b: lib.lightv.node is missing/);
  assert.match(slots({ trees: { ...SLOTS.trees, a: new Map([["bin/lightvd", "x"], NODE]) } }), /slot a: bin.lightvd is not what/);
  assert.match(slots({ trees: { ...SLOTS.trees, a: new Map([...OLD_TREE, NODE, ["more", "1"]]) } }), /slot a: more does not belong/);
  assert.is(slots({ ...state({ trial: null }), trees: { ...SLOTS.trees, b: new Map() } }), "");
});

const event = (type: string, digest: string, reason = ""): EventView => ({ id: 1, seq: 1, type, data: { digest, reason } });
const STARTED = event("agent.update-started", NEW);
const UPDATED = event("agent.updated", NEW);

test("an update is told of once, with one end; a rollback needs cuts in a row", () => {
  assert.equal(checkAgentEvents([STARTED, UPDATED], [NEW]), []);
  assert.equal(checkAgentEvents([STARTED, event("agent.rolled-back", NEW, "it was cut off in each of 3 boots")], [NEW]), []);
  for (const wrong of [
    [UPDATED],
    [STARTED],
    [STARTED, UPDATED, UPDATED],
    [STARTED, STARTED, UPDATED],
    [STARTED, UPDATED, event("agent.update-failed", NEW)],
    [STARTED, event("agent.rolled-back", NEW, "its files are damaged")],
  ])
    assert.is(checkAgentEvents(wrong, [NEW]).length, 1, JSON.stringify(wrong));
});

test("what is in force is what the device last told, not what is on trial", () => {
  const view = (digest: string, phase: string): DeviceView => ({ reported: { agent: { digest, phase } } }) as unknown as DeviceView;
  assert.is(agentInForce(undefined, []), undefined);
  assert.is(agentInForce(view(NEW, "trial"), [event("agent.updated", OLD)]), OLD);
  assert.is(agentInForce(view(NEW, "current"), [event("agent.updated", OLD)]), NEW);
  assert.is(agentInForce(view(OLD, "pulling"), [event("agent.updated", OLD), UPDATED]), NEW);
});
