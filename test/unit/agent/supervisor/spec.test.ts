/** An app's budget as the engine takes it. */
import * as assert from "uvu/assert";
import { toLightvError } from "#agent/sandbox/engine.ts";
import { createRequestOf, hashOf, targetOf, throttledLimits } from "#agent/supervisor/spec.ts";
import type { Budget } from "#agent/wire/protocol/app.ts";
import { app } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/supervisor/spec");

test("every part of a budget reaches the sandbox, and what is not said stays the engine's default", () => {
  const plain = createRequestOf(targetOf(app("web", 1), 1), 0);
  assert.equal([plain.storageSizeBytes, plain.rlimits, plain.log, plain.limits.io], [undefined, undefined, undefined, undefined]);
  const budget: Budget = {
    high: 24 << 20,
    reservation: 8 << 20,
    disk: 64 << 20,
    files: 512,
    log: { rate: 0, maxSize: 65_536 },
    io: { weight: 200, devices: [{ device: "/dev/sda", writeBps: 1 << 20 }] },
  };
  const request = createRequestOf(targetOf({ ...app("web", 1), budget }, 1), 0);
  assert.is(request.storageSizeBytes, 64 << 20);
  assert.equal(request.rlimits, [{ name: "nofile", soft: 512, hard: 512 }]);
  assert.equal(request.log, { maxSizeBytes: 65_536, rateBytes: 0 });
  assert.equal([request.limits.memoryHigh, request.limits.memoryReservation], [24 << 20, 8 << 20]);
  assert.is(throttledLimits({ memoryMax: 64 << 20, memoryHigh: 24 << 20 }).memoryHigh, 24 << 20, "the lower one");
  assert.is(throttledLimits({ memoryMax: 32 << 20, memoryHigh: 24 << 20 }).memoryHigh, 16 << 20);
  assert.is(request.limits.ioWeight, 200);
  assert.equal(request.limits.io, [{ device: "/dev/sda", writeBps: 1 << 20 }]);
});

test("another budget is another version of the app", () => {
  const one = app("web", 1);
  assert.is.not(hashOf(one), hashOf({ ...one, budget: { ...one.budget, disk: 64 << 20 } }));
});

test("an app's profiles and settings reach the sandbox, are a version of their own, and are absent when nothing is said", () => {
  const plain = createRequestOf(targetOf(app("web", 1), 1), 0);
  assert.equal([plain.seccomp, plain.seccompProfile, plain.appArmor, plain.sysctls], [undefined, undefined, undefined, undefined]);
  const own = { seccomp: '{"defaultAction":"SCMP_ACT_ALLOW"}', apparmor: "lightv-web", sysctls: { "net.core.somaxconn": "64" } };
  const request = createRequestOf(targetOf({ ...app("web", 1), security: own }, 1), 0);
  assert.equal([request.seccomp, request.seccompProfile], [undefined, own.seccomp]);
  assert.equal([request.appArmor, request.sysctls], [own.apparmor, own.sysctls]);
  const open = createRequestOf(targetOf({ ...app("web", 1), security: { seccomp: "unconfined" } }, 1), 0);
  assert.equal([open.seccomp, open.seccompProfile], [false, undefined]);
  assert.is.not(hashOf(app("web", 1)), hashOf({ ...app("web", 1), security: own }));
});

test("a filter or a setting that can't be is final, a profile that is not loaded may come", () => {
  const codeOf = (op: string, errno: number): string => toLightvError("create", Object.assign(new Error("x"), { op, errno })).code;
  assert.is(codeOf("seccomp profile", 22), "LV_CONFIG");
  assert.is(codeOf("sysctl", 1), "LV_CONFIG");
  assert.is(codeOf("AppArmor profile", 95), "LV_CONFIG");
  assert.is(codeOf("AppArmor profile", 2), "LV_SANDBOX");
});
