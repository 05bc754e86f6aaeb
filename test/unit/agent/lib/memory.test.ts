import * as assert from "uvu/assert";
import { isDue } from "#agent/lib/memory.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/lib/memory");
const MIB = 1024 * 1024;

test("garbage of a burst is collected soon, but not each time it grows", () => {
  assert.not(isDue(10_000, 20 * MIB));
  assert.ok(isDue(16_000, 2 * MIB));
  assert.not(isDue(16_000, MIB / 2));
  assert.not(isDue(200_000, Number.NEGATIVE_INFINITY));
});

test("also an idle agent gives memory back every five minutes", () => {
  assert.not(isDue(299_000, 0));
  assert.ok(isDue(301_000, -MIB));
});
