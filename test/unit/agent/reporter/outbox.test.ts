import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { isLightvError } from "#agent/lib/errors.ts";
import { type Database, openDatabase } from "#agent/lib/sqlite.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";
import { FakeClock } from "#test/lib/fake-clock.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/reporter/outbox");

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lightv-outbox-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "outbox.db");
}

function open(t: TestContext, file: string): Database {
  const database = openDatabase(file, OUTBOX_SCHEMA, { exclusive: true, cacheKib: 64 });
  t.cleanup(() => database.isOpen && database.close());
  return database;
}

function outbox(t: TestContext, maxBytes = 1 << 20, file = temporary(t)): Outbox {
  const made = new Outbox(open(t, file), new FakeClock(), maxBytes);
  made.load();
  return made;
}

const all = (box: Outbox): ReturnType<Outbox["next"]> => box.next(0, Number.MAX_SAFE_INTEGER, 1_000_000);

test("numbers events from 1 without a gap and drops what is acknowledged", (t) => {
  const box = outbox(t);
  for (let n = 0; n < 5; n++) box.add({ type: "test.event", data: { n } });
  box.acknowledge(3);
  assert.equal(
    all(box).map((event) => event.seq),
    [4, 5],
  );
  box.acknowledge(5);
  box.add({ type: "test.event", data: {} });
  assert.is(all(box)[0]?.seq, 6, "a number is never given again");
});

test("a session goes on behind what the controller knows, and is not driven to where numbers end", (t) => {
  const box = outbox(t);
  assert.equal([box.nextSession(), box.nextSession()], [1, 2]);
  assert.is(box.passSession(1), false, "it is beyond that");
  assert.is(box.nextSession(), 3);
  assert.is(box.passSession(3), true, "another had the same number");
  assert.is(box.nextSession(), 4);
  assert.is(box.passSession(90), true);
  assert.is(box.nextSession(), 91);
  assert.is(box.passSession(Number.MAX_SAFE_INTEGER), false);
  assert.is(box.nextSession(), 92);
});

test("an event with a key is added once, also after it was acknowledged", (t) => {
  const box = outbox(t);
  assert.is(box.addOnce("exit a 1", { type: "app.exited", data: {} }), true);
  box.acknowledge(1);
  assert.is(box.addOnce("exit a 1", { type: "app.exited", data: {} }), false);
  assert.is(box.count(), 0);
});

test("a key that is forgotten lets the event come once more", (t) => {
  const box = outbox(t);
  box.addOnce("updated a", { type: "agent.updated", data: {} });
  box.forget(["updated a", "never seen"]);
  assert.is(box.addOnce("updated a", { type: "agent.updated", data: {} }), true);
  assert.is(box.count(), 2);
});

test("events that could not be kept do not drive out those that were", (t) => {
  const box = outbox(t, 2000);
  const told: number[] = [];
  box.onEvent(() => told.push(box.count()));
  box.add({ type: "test.kept", data: {} });
  const full = (): never => {
    throw new Error("database or disk is full");
  };
  for (let n = 0; n < 50; n++) assert.throws(() => box.addOnce(`${n}`, { type: "test.refused", data: {} }, full), /full/);
  box.addOnce("fits", { type: "test.kept", data: {} });
  assert.equal(
    all(box).map(({ seq, type }) => `${seq} ${type}`),
    ["1 test.kept", "2 test.kept"],
  );
  assert.is(box.lost(), 0);
  assert.equal(told, [1, 2], "told once each, when it is kept");
});

test("what belongs to an event is kept with it or not at all", (t) => {
  const box = outbox(t);
  const fail = (): never => {
    throw new Error("no");
  };
  assert.throws(() => box.addOnce("k", { type: "test.event", data: {} }, fail), /no/);
  assert.is(box.count(), 0);
  assert.is(box.addOnce("k", { type: "test.event", data: {} }), true);
});

test("when it is full the oldest go, and each number is there or told as lost", (t) => {
  const box = outbox(t, 20_000);
  const seen = new Set<number>();
  for (let n = 0; n < 400; n++) box.add({ type: "test.event", data: { text: "x".repeat(100) } });
  const events = all(box);
  const lost = events.filter((event) => event.type === "events.lost");
  for (const event of events) seen.add(event.seq);
  for (const { data } of lost) for (let seq = Number(data.from); seq <= Number(data.to); seq++) seen.add(seq);
  const last = events.at(-1)?.seq ?? 0;
  assert.is(seen.size, last, "each number is there or declared lost");
  assert.ok(Number(lost.at(-1)?.data.to) < (events[0]?.seq ?? 0));
  const real = events.length - lost.length;
  assert.is(box.lost(), 400 - real);
});

test("a batch holds what fits, and at least one event", (t) => {
  const box = outbox(t);
  for (let n = 0; n < 10; n++) box.add({ type: "test.event", data: { text: "x".repeat(1000) } });
  assert.is(box.next(0, 3600, 256).length, 3);
  assert.is(box.next(0, 1, 256).length, 1);
  assert.is(box.next(4, 1 << 20, 2)[0]?.seq, 5);
});

test("an event that is too large is told by its size", (t) => {
  const box = outbox(t);
  box.add({ type: "test.event", data: { text: "x".repeat(100_000) } });
  assert.is(all(box)[0]?.data.truncated, true);
});

test("numbers start anew behind the controller's when the disk was replaced", (t) => {
  const box = outbox(t);
  box.add({ type: "test.event", data: { n: 1 } });
  box.add({ type: "test.event", data: { n: 2 } });
  box.acknowledge(500);
  assert.equal(
    all(box).map((event) => [event.seq, event.data.n]),
    [
      [501, 1],
      [502, 2],
    ],
  );
  box.add({ type: "test.event", data: { n: 3 } });
  assert.is(all(box).at(-1)?.seq, 503);
});

test("the session number grows over restarts", (t) => {
  const file = temporary(t);
  const first = open(t, file);
  const before = new Outbox(first, new FakeClock(), 1 << 20).nextSession();
  first.close();
  assert.is(outbox(t, 1 << 20, file).nextSession(), before + 1);
});

test("a second agent on the same root is refused", (t) => {
  const file = temporary(t);
  open(t, file);
  try {
    openDatabase(file, OUTBOX_SCHEMA, { exclusive: true, cacheKib: 64 });
    assert.unreachable();
  } catch (error) {
    // Within one process POSIX locks do not exclude, but SQLite's own do.
    assert.ok(isLightvError(error, "LV_CONFLICT"), String(error));
  }
});

test(
  "kill -9 at any moment loses nothing that was added, and repeats no number",
  async (t) => {
    const file = temporary(t);
    const writer = fileURLToPath(new URL("outbox-writer.ts", import.meta.url));
    let promised = 0;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [writer, file], { stdio: ["ignore", "pipe", "inherit"] });
      t.cleanup(() => child.kill("SIGKILL"));
      let said = "";
      child.stdout.on("data", (data) => {
        said += data;
        if (said.length > 100 + round * 100) child.kill("SIGKILL");
      });
      await new Promise((resolve) => child.on("close", resolve));
      const whole = said.split("\n").slice(0, -1).map(Number);
      promised = Math.max(promised, ...whole);
      const database = openDatabase(file, OUTBOX_SCHEMA, { exclusive: true, cacheKib: 64 });
      const box = new Outbox(database, new FakeClock(), 1 << 30);
      const seqs = all(box).map((event) => event.seq);
      database.close();
      assert.equal(
        seqs,
        seqs.map((_, index) => index + 1),
      );
      assert.ok(seqs.length >= promised, `${seqs.length} events are there, ${promised} were promised`);
    }
    assert.ok(promised > 50);
  },
  { timeoutMs: 60_000 },
);
