/** Commands: each once, in their turn, all of them answered. */
import { DatabaseSync } from "node:sqlite";
import * as assert from "uvu/assert";
import { CommandJournal, JOURNAL_SCHEMA } from "#agent/reporter/command-journal.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { Commands } from "#agent/supervisor/commands.ts";
import type { Command } from "#agent/wire/protocol/cmd.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import { FakeClock, settle } from "#test/lib/fake-clock.ts";
import { FakeNative } from "#test/lib/fake-native.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/commands");
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

function restartOf(id: string, more: Partial<Command> = {}): Command {
  return { id, issuedAt: "2026-01-01T00:00:00Z", type: "restart", app: id, ...more } as Command;
}

/** Commands whose restarts last until `release` is called with their id; the database is what a restart of the agent finds again. */
class Rig {
  readonly clock = new FakeClock();
  readonly begun: string[] = [];
  readonly results: CommandResult[] = [];
  readonly journal: CommandJournal;
  readonly commands: Commands;
  private readonly releases = new Map<string, () => void>();

  constructor(database: DatabaseSync) {
    this.journal = new CommandJournal(database);
    this.commands = new Commands({
      clock: this.clock,
      log: SILENT,
      journal: this.journal,
      engine: new SandboxEngine(new FakeNative(this.clock).engine()),
      sandboxOf: (app) => app,
      restart: (app) => {
        this.begun.push(app);
        return new Promise((resolve) => this.releases.set(app, resolve));
      },
      refreshInventory: async () => undefined,
      runReboot: async () => undefined,
      sendResult: async (result) => void this.results.push(result),
      sendLog: async () => undefined,
    });
    this.commands.start();
  }

  async release(...ids: string[]): Promise<void> {
    for (const id of ids) this.releases.get(id)?.();
    await settle();
  }

  resultOf(id: string): CommandResult | undefined {
    return this.results.find((result) => result.id === id);
  }
}

function open(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  database.exec(JOURNAL_SCHEMA);
  return database;
}

function ids(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => `c${n + from}`);
}

test("what does not fit beside sixteen others waits for its turn and is answered", async () => {
  const r = new Rig(open());
  for (const id of ids(40)) r.commands.take(restartOf(id));
  await settle();
  assert.equal(r.begun, ids(16));
  await r.release("c3");
  assert.equal(r.begun, ids(17));
  await r.release(...ids(40));
  await r.release(...ids(40));
  await r.release(...ids(40));
  assert.equal(r.begun, ids(40));
  assert.is(r.results.filter((result) => result.ok).length, 40);
});

test("one that comes again while it waits or works is done once", async () => {
  const r = new Rig(open());
  for (let n = 0; n < 3; n++) for (const id of ids(20)) r.commands.take(restartOf(id));
  await settle();
  await r.release(...ids(20));
  await r.release(...ids(20));
  assert.equal(r.begun, ids(20));
  r.commands.take(restartOf("c0"));
  await settle();
  assert.equal(r.begun, ids(20));
  assert.is(r.results.filter((result) => result.id === "c0").length, 2, "the old answer again");
});

test("one beyond the queue's bound is refused with an answer, for good", async () => {
  const r = new Rig(open());
  for (const id of ids(16 + 256)) r.commands.take(restartOf(id));
  r.commands.take(restartOf("late"));
  await settle();
  assert.is(r.resultOf("late")?.code, "LV_UNAVAILABLE");
  for (let n = 0; n < 20; n++) await r.release(...ids(16 + 256));
  r.commands.take(restartOf("late"));
  await settle();
  assert.is(r.begun.includes("late"), false, "its answer said that nothing was done");
});

test("one whose time is over when its turn comes is answered as expired", async () => {
  const r = new Rig(open());
  r.commands.controllerClock.hear("2026-01-01T00:00:00Z");
  for (const id of ids(16)) r.commands.take(restartOf(id));
  r.commands.take(restartOf("short", { expiresAt: "2026-01-01T00:00:10Z" }));
  await r.clock.advance(20_000);
  await r.release(...ids(16));
  assert.is(r.resultOf("short")?.code, "LV_EXPIRED");
  assert.is(r.begun.includes("short"), false);
});

test("the agent's end does not wait long for what is at work, and what waited is done after the next start", async () => {
  const database = open();
  const r = new Rig(database);
  for (const id of ids(17)) r.commands.take(restartOf(id));
  await settle();
  let stopped = false;
  const stop = r.commands.stop().then(() => {
    stopped = true;
  });
  await r.clock.advance(1_000);
  assert.is(stopped, false);
  await r.clock.advance(10_000);
  await stop;
  const next = new Rig(database);
  next.commands.take(restartOf("c16"));
  await settle();
  assert.equal(next.begun, ["c16"]);
});
