/** How `lightv fleet devices` tells what becomes of a device's agent. */
import * as assert from "uvu/assert";
import type { AgentReport } from "#agent/wire/protocol/reported.ts";
import { agentState } from "#fleet/cli/devices.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli/agent");
const wanted = { version: "2.0.0", digest: `sha256:${"0".repeat(64)}`, attempt: 0 };
const shown = (agent: Partial<AgentReport> | null): string =>
  agentState({
    agentVersion: "1.0.0",
    agent: agent === null ? null : { version: "1.0.0", slot: "usr", phase: "current", reason: "", ...agent },
  });

test("an agent that is as it shall be, or tells nothing of itself, is its version", () => {
  assert.is(shown(null), "1.0.0");
  assert.is(shown({}), "1.0.0");
});

test("what becomes of another version stands beside it", () => {
  assert.is(shown({ phase: "pulling", wanted, progress: { done: 1, total: 3 } }), "1.0.0, 2.0.0 pulling 33 %");
  assert.is(shown({ phase: "failed", wanted }), "1.0.0, 2.0.0 failed");
  assert.is(shown({ phase: "trial" }), "1.0.0 (trial)");
});
