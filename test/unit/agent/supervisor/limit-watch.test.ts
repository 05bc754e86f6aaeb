/** What budgets have refused becomes events with numbers, and not too many of them. */
import * as assert from "uvu/assert";
import { hits } from "#agent/supervisor/limit-watch.ts";
import { app, Rig } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/limit-watch");

test("tells each kind of refusal, and only what has grown", () => {
  const before = { oomKills: 2, pidsRefused: 7, throttledUs: 1_000_000 };
  assert.equal(hits(before, before, 15_000), []);
  assert.equal(hits(before, { ...before, oomKills: 3, memoryLimitBytes: 4096 }, 15_000), [
    { limit: "memory", sums: { killed: 1 }, now: { limitBytes: 4096 } },
  ]);
  assert.equal(hits(before, { ...before, pidsRefused: 9, pids: 32, pidsLimit: 32 }, 15_000), [
    { limit: "pids", sums: { refused: 2 }, now: { pids: 32, pidsLimit: 32 } },
  ]);
});

test("a quota that holds something back now and then is at work; one that holds back half the time is told", () => {
  assert.equal(hits({ throttledUs: 0 }, { throttledUs: 2_000_000 }, 15_000), []);
  assert.equal(hits({ throttledUs: 0 }, { throttledUs: 9_000_000 }, 15_000), [
    { limit: "cpu", sums: { throttledMs: 9000, inMs: 15_000 }, now: {} },
  ]);
});

test("a hog is told at once, then at most every five minutes, with all that happened in between", async () => {
  const r = new Rig();
  await r.start();
  await r.desire(1, app("hog", 1));
  const id = r.report("hog").sandboxId ?? "";
  let refused = 0;
  for (let round = 0; round < 60; round++) {
    r.native.counters.set(id, { pidsRefused: refused });
    await r.clock.advance(15_000);
    refused += 10;
  }
  const events = r.events("app.limited");
  assert.ok(events.length >= 3 && events.length <= 5, `${events.length} events in fifteen minutes`);
  assert.ok(events.every(({ data }) => data.limit === "pids" && data.sandboxId === id));
  assert.is(events[0]?.data.refused, 10);
  const told = events.reduce((sum, { data }) => sum + Number(data.refused), 0);
  const after = (events.at(-1)?.uptimeMs ?? 0) - (events[0]?.uptimeMs ?? 0);
  assert.is(told, 10 + (after / 15_000) * 10, "nothing in between is left out");
});

test("a disk that is nearly full is told once, and again when there is room", async () => {
  const r = new Rig();
  await r.start();
  for (const share of [0.2, 0.04, 0.06, 0.04, 0.11, 0.06]) {
    r.space = { freeBytes: share * r.space.totalBytes, totalBytes: r.space.totalBytes };
    await r.clock.advance(15_000);
  }
  assert.equal(
    r.events("device.disk").map(({ data }) => data.low),
    [true, false],
  );
});

test("lines that a log did not take are told with their number, and a bounded layer once when it is nearly full", () => {
  const before = { logDroppedLines: 5, logDroppedBytes: 500, layerUsedBytes: 10, layerLimitBytes: 1000, layerFreeInodes: 9 };
  assert.equal(hits(before, before, 15_000), []);
  assert.equal(hits(before, { ...before, logDroppedLines: 8, logDroppedBytes: 900 }, 15_000), [
    { limit: "log", sums: { droppedLines: 3, droppedBytes: 400 }, now: {} },
  ]);
  const full = { ...before, layerUsedBytes: 960 };
  assert.equal(hits(before, full, 15_000), [{ limit: "disk", sums: {}, now: { usedBytes: 960, limitBytes: 1000, freeInodes: 9 } }]);
  assert.equal(hits(full, full, 15_000), [], "it is told when it fills up");
  assert.is(hits(before, { ...before, layerFreeInodes: 0 }, 15_000)[0]?.limit, "disk", "no inode left is full, too");
});
