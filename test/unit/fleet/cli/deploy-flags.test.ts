/** From flags to an app. */
import * as assert from "uvu/assert";
import { specFromFlags } from "#fleet/cli/deploy-flags.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli deploy flags");
const NONE = { env: [], label: [], port: [], volume: [], tmpfs: [] };

test("a priority is one of the three, and a wrong one is told with what is allowed", () => {
  assert.is(specFromFlags({ image: "web:1" }, { ...NONE, priority: "critical" }, []).priority, "critical");
  assert.is(specFromFlags({ image: "web:1", priority: "low" }, NONE, []).priority, "low");
  assert.throws(() => specFromFlags({}, { ...NONE, priority: "urgent" }, []), /--priority urgent: must be critical, normal, low/);
});

test("budgets of flags add to those of a file", () => {
  const spec = specFromFlags({ budget: { memory: 1 << 20, pids: 3 } }, { ...NONE, memory: "16m", cpus: "0.5" }, []);
  assert.equal(spec.budget, { memory: 16 << 20, pids: 3, cpus: 500 });
});
