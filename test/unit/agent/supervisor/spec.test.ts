/** An app's budget as the engine takes it. */
import * as assert from "uvu/assert";
import { createRequestOf, hashOf, targetOf } from "#agent/supervisor/spec.ts";
import type { Budget } from "#agent/wire/protocol/app.ts";
import { app } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/supervisor/spec");

test("every part of a budget reaches the sandbox, and what is not said stays the engine's default", () => {
  const plain = createRequestOf(targetOf(app("web", 1), 1), 0);
  assert.equal([plain.storageSizeBytes, plain.rlimits, plain.log, plain.limits.io], [undefined, undefined, undefined, undefined]);
  const budget: Budget = {
    disk: 64 << 20,
    files: 512,
    log: { rate: 0, maxSize: 65_536 },
    io: { weight: 200, devices: [{ device: "/dev/sda", writeBps: 1 << 20 }] },
  };
  const request = createRequestOf(targetOf({ ...app("web", 1), budget }, 1), 0);
  assert.is(request.storageSizeBytes, 64 << 20);
  assert.equal(request.rlimits, [{ name: "nofile", soft: 512, hard: 512 }]);
  assert.equal(request.log, { maxSizeBytes: 65_536, rateBytes: 0 });
  assert.is(request.limits.ioWeight, 200);
  assert.equal(request.limits.io, [{ device: "/dev/sda", writeBps: 1 << 20 }]);
});

test("another budget is another version of the app", () => {
  const one = app("web", 1);
  assert.is.not(hashOf(one), hashOf({ ...one, budget: { ...one.budget, disk: 64 << 20 } }));
});
