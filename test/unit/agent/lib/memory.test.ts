import * as assert from "uvu/assert";
import { isDue } from "#agent/lib/memory.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/lib/memory");
const MIB = 1024 * 1024;

test("garbage of a burst is collected when the burst is over, but not each time something grows", () => {
  assert.not(isDue(10_000, 20 * MIB, 0));
  assert.not(isDue(16_000, 2 * MIB, MIB));
  assert.ok(isDue(21_000, 2 * MIB, 1000));
  assert.ok(isDue(21_000, 2 * MIB, -MIB));
  assert.ok(isDue(21_000, MIB / 2, 0));
  assert.not(isDue(21_000, MIB / 8, 0));
  assert.not(isDue(200_000, Number.NEGATIVE_INFINITY, 0));
});

test("also an idle agent gives memory back every five minutes", () => {
  assert.not(isDue(299_000, 0, 0));
  assert.ok(isDue(301_000, -MIB, 0));
});
