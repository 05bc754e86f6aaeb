/** The ladder of what is done when memory is short, and what the supervisor makes of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { climb, GROUND, isCalm, isFar, type Ladder, type Reading, strainOf } from "#agent/supervisor/pressure.ts";
import { parsePressure, readPressure } from "#agent/supervisor/pressure-watch.ts";
import { app, MIB, Rig } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/pressure");

const CALM: Reading = { someAvg10: 0, fullAvg10: 0, availableBytes: 300 * MIB, totalBytes: 512 * MIB };
const SHORT: Reading = { someAvg10: 60, fullAvg10: 20, availableBytes: 10 * MIB, totalBytes: 512 * MIB };
const MIDDLING: Reading = { someAvg10: 15, fullAvg10: 2, availableBytes: 100 * MIB, totalBytes: 512 * MIB };

/** The ladder after readings two seconds apart. */
function after(ladder: Ladder, reading: Reading, fromMs: number, untilMs: number): Ladder {
  let now = ladder;
  for (let ms = fromMs; ms < untilMs; ms += 2000) now = climb(now, reading, ms);
  return now;
}

test("climbs one rung at a time, each with time to show, and never to the critical class", () => {
  assert.is(climb(GROUND, SHORT, 1000).rung, 1);
  assert.is(after(GROUND, SHORT, 1000, 10_000).rung, 1);
  assert.is(after(GROUND, SHORT, 1000, 100_000).rung, 4);
  for (const rung of [0, 1, 2, 3, 4]) assert.is(strainOf(rung, "critical"), "none");
  assert.equal(
    [0, 1, 2, 3, 4].map((rung) => [strainOf(rung, "low"), strainOf(rung, "normal")]),
    [
      ["none", "none"],
      ["throttled", "none"],
      ["parked", "none"],
      ["parked", "throttled"],
      ["parked", "parked"],
    ],
  );
});

test("gives a rung back only after a calm minute, and a reading in between starts the minute anew", () => {
  const up = after(GROUND, SHORT, 0, 15_000);
  assert.is(up.rung, 2);
  const nearly = after(up, CALM, 20_000, 70_000);
  assert.is(nearly.rung, 2);
  assert.is(after(after(nearly, MIDDLING, 70_000, 74_000), CALM, 74_000, 130_000).rung, 2);
  assert.is(after(nearly, CALM, 70_000, 82_000).rung, 1);
});

test("what is short again as soon as an app is back has it wait twice as long the next time", () => {
  const parked = after(GROUND, SHORT, 0, 15_000);
  const back = after(parked, CALM, 20_000, 82_000);
  assert.is(back.rung, 1);
  const again = climb(back, SHORT, 95_000);
  assert.is(again.rung, 2);
  assert.is(again.patienceMs, 2 * parked.patienceMs);
});

test("without pressure stall information what is available decides", () => {
  const blind = { someAvg10: undefined, fullAvg10: undefined };
  assert.is(climb(GROUND, { ...SHORT, ...blind }, 0).rung, 1);
  assert.is(climb(GROUND, { ...CALM, ...blind }, 0).rung, 0);
});

test("a small device is short before its kernel does nothing but reclaim, and a large one by its share", () => {
  const of = (available: number, total: number): Reading => ({ ...CALM, availableBytes: available * MIB, totalBytes: total * MIB });
  assert.is(climb(GROUND, of(15, 256), 0).rung, 1);
  assert.is(climb(GROUND, of(17, 256), 0).rung, 0);
  assert.is(climb(GROUND, of(100, 4096), 0).rung, 1);
  assert.is(climb(GROUND, of(200, 4096), 0).rung, 0);
  assert.equal([of(30, 256), of(50, 256), of(70, 256), of(400, 4096)].map(isCalm), [false, true, true, true]);
  assert.equal([of(50, 256), of(70, 256), of(400, 4096), of(700, 4096)].map(isFar), [false, true, false, true]);
});

test("reads what the kernel writes, and does without what it does not have", async (t) => {
  const text = "some avg10=12.50 avg60=0.10 avg300=0.00 total=1522440\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=216116\n";
  assert.equal(parsePressure(text), { someAvg10: 12.5, fullAvg10: 3.25 });
  const proc = mkdtempSync(join(tmpdir(), "lightv-proc-"));
  t.cleanup(() => rmSync(proc, { recursive: true }));
  writeFileSync(join(proc, "meminfo"), "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\n");
  const sizes = { availableBytes: MIB, totalBytes: 2 * MIB };
  assert.equal(await readPressure(proc), { someAvg10: undefined, fullAvg10: undefined, ...sizes });
  mkdirSync(join(proc, "pressure"));
  writeFileSync(join(proc, "pressure", "memory"), text);
  assert.equal(await readPressure(proc), { someAvg10: 12.5, fullAvg10: 3.25, ...sizes });
  const real = await readPressure();
  assert.ok(real.totalBytes > 0 && real.availableBytes > 0);
});

test("what memory.min keeps is not counted as available: the cache within the protection, and no more of it", async (t) => {
  const top = mkdtempSync(join(tmpdir(), "lightv-proc-"));
  t.cleanup(() => rmSync(top, { recursive: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), text);
  };
  const unit = (name: string, minMib: number, currentMib: number, cacheMib: number): void => {
    write(`cgroup/lightv.slice/${name}/memory.min`, `${minMib * MIB}\n`);
    write(`cgroup/lightv.slice/${name}/memory.current`, `${currentMib * MIB}\n`);
    write(`cgroup/lightv.slice/${name}/memory.stat`, `anon 4096\nfile ${cacheMib * MIB}\nfile_mapped 0\n`);
  };
  write("proc/meminfo", `MemTotal: ${512 * 1024} kB\nMemAvailable: ${50 * 1024} kB\n`);
  const available = async (): Promise<number> => (await readPressure(join(top, "proc"), join(top, "cgroup"))).availableBytes / MIB;
  assert.is(await available(), 50, "no cgroup v2 at all");
  write("proc/self/cgroup", "1:name=systemd:/x\n0::/lightv.slice/lightvd.service\n");
  assert.is(await available(), 50, "no such group");
  unit("lightvd.service", 24, 22, 8);
  assert.is(await available(), 42, "all of it within the protection");
  unit("lightvd.service", 24, 30, 8);
  assert.is(await available(), 48, "6 MiB of the cache are beyond it");
  unit("lightv-runtime.service", 8, 200, 150);
  unit("lightv-spawn.service", 0, 5, 5);
  write("cgroup/lightv.slice/lightv-broken.service/memory.min", "8\n");
  assert.is(await available(), 48, "others can be reclaimed, are not protected, or can't be read");
});

async function threeClasses(): Promise<Rig> {
  const r = new Rig();
  await r.start();
  const budget = { memory: 100 * MIB };
  await r.desire(
    1,
    app("vital", 1, { priority: "critical", budget }),
    app("plain", 2, { budget }),
    app("spare", 3, { priority: "low", budget }),
  );
  return r;
}

test("under pressure the lowest class is slowed down, then parked; the critical one goes on; all come back by themselves", async () => {
  const r = await threeClasses();
  const vital = r.report("vital").sandboxId;
  const limitsOf = (name: string) => r.native.sandboxes.get(r.report(name).sandboxId ?? "")?.spec.limits;
  const before = limitsOf("spare");
  r.reading = SHORT;
  await r.clock.advance(15_000);
  assert.is(r.report("spare").phase, "running");
  assert.match(r.report("spare").reason, /slowed down.*10 MiB of 512 MiB/);
  assert.is(limitsOf("spare")?.memoryHigh, 50 * MIB);
  assert.is(limitsOf("plain")?.memoryHigh, undefined);
  await r.clock.advance(10_000);
  assert.is(r.report("spare").phase, "parked");
  assert.is(r.report("plain").phase, "running");
  await r.clock.advance(30_000);
  assert.is(r.report("plain").phase, "parked");
  assert.match(r.report("plain").reason, /short of memory.*10 MiB/);
  assert.is(r.report("vital").phase, "running");
  assert.equal(
    r.native.running().map(({ id }) => id),
    [vital],
  );
  r.reading = CALM;
  await r.clock.advance(600_000);
  assert.is(r.report("spare").phase, "running");
  assert.is(r.report("plain").phase, "running");
  assert.equal(limitsOf("spare"), before);
  assert.is(r.report("vital").restarts, 0);
  assert.equal(
    r.events("device.memory").map(({ data }) => data.step),
    [1, 2, 3, 4, 3, 2, 1, 0],
  );
  assert.ok(
    r.events("app.exited").every(({ data }) => data.requested === true),
    "parking is no failure",
  );
  assert.is(r.events("app.rolled-back").length, 0);
});

test("an agent that restarts while apps are slowed down gives them back what they had", async () => {
  const r = await threeClasses();
  const apps = ["vital", "plain", "spare"].map((name, i) =>
    app(name, i + 1, { budget: { memory: 100 * MIB }, ...(name === "plain" ? {} : { priority: name === "vital" ? "critical" : "low" }) }),
  );
  const limits = () => r.native.sandboxes.get(r.report("spare").sandboxId ?? "")?.spec.limits;
  const before = limits();
  r.reading = SHORT;
  await r.clock.advance(15_000);
  assert.not.equal(limits(), before);
  r.reading = CALM;
  await r.restart(1, ...apps);
  assert.equal(limits(), before);
  assert.is(r.report("spare").reason, "");
});

test("a more important app takes the room of a less important one, but only once it could start", async () => {
  const r = new Rig({ memoryBytes: 256 * MIB });
  await r.start();
  const budget = { memory: 200 * MIB };
  const spare = app("spare", 1, { priority: "low", budget });
  await r.desire(1, spare);
  const vital = app("vital", 2, { priority: "critical", budget });
  r.images.hanging.add(vital.image.digest);
  await r.desire(2, spare, vital);
  assert.is(r.report("spare").phase, "running", "its image is not here yet");
  r.images.hanging.clear();
  r.images.store.set(vital.image.digest, { architecture: "amd64", memoryBytes: undefined });
  await r.clock.advance(70_000);
  await r.desire(3, spare, vital);
  await r.clock.advance(70_000);
  assert.is(r.report("vital").phase, "running");
  assert.is(r.report("spare").phase, "failed");
  assert.match(r.report("spare").reason, /LV_BUDGET: it asks for 200 MiB of memory, other apps have 200 MiB/);
  assert.is(r.native.running().length, 1);
  await r.desire(4, spare);
  assert.is(r.report("spare").phase, "running", "and it comes back when there is room");
});

test("between two of a class what runs has the first claim", async () => {
  const r = new Rig({ memoryBytes: 256 * MIB });
  await r.start();
  const budget = { memory: 200 * MIB };
  await r.desire(1, app("first", 1, { budget }));
  await r.desire(2, app("second", 2, { budget }), app("first", 1, { budget }));
  assert.is(r.report("first").phase, "running");
  assert.is(r.report("second").phase, "failed");
});
