/** What counts when room is given out: the version that an app can run, not one that never will. */
import * as assert from "uvu/assert";
import { LightvError } from "#agent/lib/errors.ts";
import { app, MIB, Rig } from "#test/lib/agent-rig.ts";
import { settle } from "#test/lib/fake-clock.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/admission");

const budget = { memory: 200 * MIB };
const spare = app("spare", 1, { priority: "low", budget });
const vital = app("vital", 2, { priority: "critical", budget });

async function smallDevice(): Promise<Rig> {
  const r = new Rig({ memoryBytes: 256 * MIB });
  await r.start();
  return r;
}

test("nobody stops for a more important app whose image is for another architecture", async () => {
  const r = await smallDevice();
  await r.desire(1, spare);
  r.images.store.set(vital.image.digest, { architecture: "arm64", memoryBytes: undefined });
  await r.desire(2, spare, vital);
  await r.clock.advance(600_000);
  assert.is(r.report("vital").phase, "failed");
  assert.match(r.report("vital").reason, /for arm64 and this device is amd64/);
  assert.is(r.report("spare").phase, "running");
  assert.equal(r.native.calls, ["create", "start"]);
});

test("a version that has failed for good keeps no room", async () => {
  const r = await smallDevice();
  r.images.failures.set(vital.image.digest, new LightvError("LV_IMAGE_DIGEST", "other content"));
  await r.desire(1, vital);
  await r.desire(2, spare, vital);
  await r.clock.advance(600_000);
  assert.is(r.report("vital").phase, "failed");
  assert.is(r.report("spare").phase, "running");
});

test("an app that was rolled back has the room of the version that runs", async () => {
  const r = await smallDevice();
  await r.desire(1, app("web", 3, { budget: { memory: 50 * MIB } }));
  await r.clock.advance(15_000);
  r.images.architecture = "arm64";
  await r.desire(2, app("web", 4, { budget }));
  r.images.architecture = "amd64";
  await r.desire(3, app("web", 4, { budget }), spare);
  assert.match(r.report("web").reason, /rolled back/);
  assert.is(r.report("spare").phase, "running");
});

test("an older version that goes on keeps its room, and makes way like any other", async () => {
  const r = await smallDevice();
  await r.desire(1, app("web", 3, { budget: { memory: 150 * MIB } }));
  r.images.architecture = "arm64";
  const next = app("web", 4, { budget: { memory: 10 * MIB } });
  await r.desire(2, next);
  assert.match(r.report("web").reason, /an older version goes on/);
  r.images.architecture = "amd64";
  await r.desire(3, next, spare);
  assert.match(r.report("spare").reason, /LV_BUDGET: it asks for 200 MiB of memory, other apps have 150 MiB/);
  assert.is(r.report("web").phase, "running");
  await r.desire(4, next, vital);
  await r.clock.advance(60_000);
  assert.is(r.report("vital").phase, "running");
  assert.is(r.report("web").phase, "failed");
  assert.is(r.native.running().length, 1);
});

test("an app that ran once and is not started again gives its room and its port back", async () => {
  const r = await smallDevice();
  const ports = [{ port: 80 }];
  const once = app("once", 5, { restart: { policy: "no" }, budget, ports });
  await r.desire(1, once);
  await r.desire(2, once, app("spare", 1, { budget, ports }));
  assert.match(r.report("spare").reason, /LV_CONFLICT|LV_BUDGET/);
  r.native.end(r.native.running()[0]?.id ?? "", { exitCode: 0 });
  await settle();
  await r.clock.advance(60_000);
  assert.is(r.report("once").phase, "stopped");
  assert.is(r.report("spare").phase, "running");
});

test("what a policy starts again, after a failure or a shutdown, keeps its room", async () => {
  const r = await smallDevice();
  const often = app("often", 5, { restart: { policy: "on-failure", minDelayMs: 50_000, maxDelayMs: 50_000 }, budget });
  await r.desire(1, often);
  r.native.end(r.native.running()[0]?.id ?? "", { exitCode: 1 });
  await settle();
  await r.desire(2, often, spare);
  assert.is(r.report("often").phase, "backoff");
  assert.match(r.report("spare").reason, /LV_BUDGET/);
});
