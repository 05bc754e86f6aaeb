/** The updater over a directory of real files, with everything else made up: what it leaves when something fails, and that it goes on. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { signAgent } from "#agent/lib/agent-signature.ts";
import { LightvError } from "#agent/lib/errors.ts";
import type { Slot } from "#agent/update/launch.ts";
import type { UpdateParts } from "#agent/update/ports.ts";
import type { SlotState } from "#agent/update/state.ts";
import { Updater } from "#agent/update/updater.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import { FakeClock, settle } from "#test/lib/fake-clock.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/update/updater");
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const NODE = "a node";
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

function wanted(version: string, more: Partial<DesiredAgent> = {}): DesiredAgent {
  const digest = `sha256:${createHash("sha256").update(version).digest("hex")}`;
  return { size: 1, ...signAgent({ digest, version, architecture: "amd64" }, privateKey), ...more };
}

function makeTree(tree: string, version: string, node = true): void {
  mkdirSync(join(tree, "bin"), { recursive: true });
  mkdirSync(join(tree, "lib/lightv"), { recursive: true });
  writeFileSync(join(tree, "bin/lightvd"), `#!/bin/sh\necho "lightvd ${version}"\n`, { mode: 0o755 });
  for (const part of ["bin/lightv", "lib/lightv/lightvd.mjs", "lib/lightv/lightv.node"]) writeFileSync(join(tree, part), "x");
  if (node) writeFileSync(join(tree, "lib/lightv/node"), NODE);
  const sha256 = createHash("sha256").update(NODE).digest("hex");
  writeFileSync(join(tree, "lib/lightv/release.json"), JSON.stringify({ version, architecture: "amd64", node: { version: "26", sha256 } }));
}

/** A record with two trees that were in force, the first of which is. */
function inForce(slot: "a" | "b", version: string, other: "a" | "b", before: string): SlotState {
  const tree = (one: string): { version: string; digest: string; told: boolean } => ({ version: one, digest: `sha256:${one}`, told: true });
  return { base: "1.0.0", committed: slot, trial: null, proven: { [slot]: tree(version), [other]: tree(before) }, failed: [] };
}

/** A device's disk, and agents on it. */
class Device {
  readonly clock = new FakeClock();
  readonly root = mkdtempSync(join(tmpdir(), "lightv-update-"));
  readonly slots = join(this.root, "slots");
  readonly events: string[] = [];
  readonly reasons: string[] = [];
  readonly keys = new Set<string>();
  readonly log: string[] = [];
  ended: { reason: string; failed: boolean } | undefined;
  online = true;
  heard = false;
  backlog = 0;
  network = true;
  freeBytes = 1 << 30;
  payloadBytes = 1 << 20;
  /** What a proof gives; an error is thrown. */
  proof: boolean | Error = true;
  version = "2.0.0";
  /** Thrown by the next unpacks. */
  failures: unknown[] = [];
  damaged = 0;
  fetched = "";
  /** False: the power goes before it. */
  forgets = true;
  /** So many events of a failure find no room. */
  refused = 0;
  pull: Promise<void> = Promise.resolve();

  constructor(t: TestContext) {
    mkdirSync(join(this.root, "keys"));
    writeFileSync(join(this.root, "keys/a.pem"), publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(join(this.root, "keys/b.pem"), "no key");
    makeTree(join(this.root, "usr"), "1.0.0");
    t.cleanup(() => rmSync(this.root, { recursive: true }));
  }

  state(): SlotState {
    return JSON.parse(readFileSync(join(this.slots, "state.json"), "utf8")) as SlotState;
  }

  agent(slot: Slot = "usr", trial = false): Updater {
    this.ended = undefined;
    const parts: UpdateParts = {
      launch: { slot, directory: this.slots, base: "1.0.0", trial },
      version: slot === "usr" ? "1.0.0" : this.version,
      tree: slot === "usr" ? join(this.root, "usr") : join(this.slots, slot),
      args: [],
      architecture: "amd64",
      keysDirectory: join(this.root, "keys"),
      trialMs: 60_000,
      operationTimeoutMs: 600_000,
      clock: this.clock,
      log: SILENT,
      events: {
        addOnce: (key, event) => {
          if (this.keys.has(key)) return false;
          if (event.type === "agent.update-failed" && this.refused-- > 0)
            throw Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR", errcode: 13 });
          this.keys.add(key);
          this.events.push(event.type);
          this.reasons.push(String(event.data.reason ?? ""));
          return true;
        },
        forget: (keys) => {
          if (this.forgets) for (const key of keys) this.keys.delete(key);
        },
      },
      payloads: {
        fetch: async ({ digest }, signal) => {
          this.log.push("fetch");
          this.fetched = digest;
          const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
          await Promise.race([this.pull, aborted]);
          return "payload";
        },
        unpin: () => this.log.push("unpin"),
        discard: async () => void this.log.push("discard"),
        makeRoom: async () => void this.log.push("makeRoom"),
      },
      native: {
        verifyImage: async () => {
          if (this.damaged-- > 0) throw new Error("chunk 3 is damaged");
          return JSON.stringify({ digest: this.fetched, erofsSize: this.payloadBytes });
        },
        unpackImage: async (_path, directory) => {
          makeTree(directory, this.version, false);
          const failure = this.failures.shift();
          if (failure !== undefined) throw failure;
        },
        syncFileSystem: async () => void this.log.push("sync"),
      },
      freeBytes: async () => this.freeBytes,
      hasNetwork: () => this.network,
      proveSandbox: async () => {
        this.log.push("proof");
        if (this.proof instanceof Error) throw this.proof;
        return this.proof;
      },
      clearProof: async () => void this.log.push("clear"),
      isOnline: () => this.online,
      backlog: () => this.backlog,
      hasAdopted: () => true,
      isHeard: () => this.heard,
      end: (reason, failed) => {
        this.ended = { reason, failed };
      },
      onChange: () => undefined,
    };
    return new Updater(parts);
  }

  /** Lets time pass until it is so. */
  async until(what: string, holds: () => boolean, stepMs = 500): Promise<void> {
    for (let step = 0; step < 2000; step++) {
      if (holds()) return;
      await this.clock.advance(stepMs);
      // Real files and programs take real time.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`${what} did not come: ${JSON.stringify([this.events, this.log, this.ended])}`);
  }
}

test("a version is fetched, unpacked, given Node, synced and on record before this agent ends", async (t) => {
  const device = new Device(t);
  const updater = device.agent();
  updater.start(wanted("2.0.0"));
  await device.until("its end", () => device.ended !== undefined);
  assert.equal(device.ended?.failed, false);
  assert.equal(device.log, ["clear", "fetch", "sync", "unpin"]);
  assert.equal(device.state().trial, {
    slot: "a",
    version: "2.0.0",
    digest: wanted("2.0.0").digest,
    attempt: 0,
    tries: [],
    deadlineMs: 60_000,
  });
  assert.is(readFileSync(join(device.slots, "a/lib/lightv/node"), "utf8"), NODE);
  assert.equal(device.events, ["agent.update-started"]);
  await updater.stop();
});

test("a full disk and a damaged payload pass: room is made, the payload is fetched anew, half a tree does not stay", async (t) => {
  const device = new Device(t);
  device.failures = [Object.assign(new Error("no space left on device"), { errno: 28 }), new LightvError("LV_DISK_FULL", "full")];
  const updater = device.agent();
  updater.start(wanted("2.0.0"));
  await device.until("the first failure", () => /no space/.test(updater.report().reason));
  assert.is(updater.report().phase, "installing");
  assert.not(existsSync(join(device.slots, "a")));
  await device.until("the second failure", () => device.log.filter((word) => word === "makeRoom").length === 2);
  device.damaged = 1;
  await device.until("its end", () => device.ended !== undefined);
  assert.ok(device.log.includes("discard"));
  assert.equal(device.state().failed, []);
  assert.equal(device.events, ["agent.update-started"]);
  await updater.stop();
});

test("what will never do is on record, told once, and not tried again before somebody says so", async (t) => {
  const device = new Device(t);
  device.version = "7.7.7";
  const updater = device.agent();
  updater.start(wanted("2.0.0"));
  await device.until("the failure", () => updater.report().phase === "failed");
  assert.match(updater.report().reason, /holds version 7\.7\.7, and was signed as 2\.0\.0/);
  assert.equal(device.events, ["agent.update-started", "agent.update-failed"]);
  assert.not(existsSync(join(device.slots, "a")));
  await device.clock.advance(3_600_000);
  await updater.stop();
  const again = device.agent();
  again.start(wanted("2.0.0"));
  await device.until("the memory of it", () => again.report().phase === "failed");
  assert.is(device.log.filter((word) => word === "fetch").length, 1);
  device.version = "2.0.0";
  again.setWanted(wanted("2.0.0", { attempt: 9 }));
  assert.is(again.report().phase, "pulling");
  await device.until("its end", () => device.ended !== undefined);
  assert.is(device.state().trial?.attempt, 9);
  await again.stop();
});

test("a newer wish ends the pull of an older one; no wish at all does, too", async (t) => {
  const device = new Device(t);
  device.pull = new Promise(() => undefined);
  const updater = device.agent();
  updater.start(wanted("2.0.0"));
  await device.until("the pull", () => device.log.includes("fetch"));
  assert.equal([updater.report().phase, updater.report().wanted?.version], ["pulling", "2.0.0"]);
  updater.setWanted(undefined);
  await device.until("the end of it", () => device.log.includes("unpin"));
  await settle();
  assert.is(updater.report().phase, "current");
  device.pull = Promise.resolve();
  device.version = "3.0.0";
  updater.setWanted(wanted("3.0.0"));
  await device.until("its end", () => device.ended !== undefined);
  assert.is(device.state().trial?.version, "3.0.0");
  await updater.stop();
});

test("while the controller is away, or has much to hear first, the new version waits", async (t) => {
  const device = new Device(t);
  device.online = false;
  const updater = device.agent();
  updater.start(wanted("2.0.0"));
  await device.until("the waiting", () => /waits for the controller/.test(updater.report().reason));
  await device.clock.advance(60_000);
  assert.is(device.ended, undefined);
  assert.is(device.state().trial, null);
  device.backlog = 10_000;
  device.online = true;
  await device.until("the waiting for the events", () => /take the 10000 events/.test(updater.report().reason));
  assert.is(device.ended, undefined);
  device.backlog = 3;
  await device.until("its end", () => device.ended !== undefined);
  await updater.stop();
});

test("on trial it is in force once the controller has answered it, and tells so", async (t) => {
  const device = new Device(t);
  device.heard = true;
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  device.heard = false;
  const fresh = device.agent("a", true);
  fresh.start(wanted("2.0.0"));
  await device.until("the trial's report", () => fresh.report().phase === "trial");
  await device.clock.advance(10_000);
  assert.is(device.state().committed, "usr");
  device.heard = true;
  await device.until("the commit", () => fresh.report().phase === "current");
  await device.until("the event", () => device.state().proven?.a?.told === true);
  const { committed, trial, proven } = device.state();
  assert.equal([committed, trial, proven?.a?.told], ["a", null, true]);
  assert.equal([fresh.report().digest, fresh.report().wanted], [wanted("2.0.0").digest, undefined]);
  assert.equal(device.events, ["agent.update-started", "agent.updated"]);
  await fresh.stop();
});

test("on trial without an answer it leaves a note and makes way; the old one tells it once, whatever happens between", async (t) => {
  const device = new Device(t);
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  device.online = false;
  const fresh = device.agent("a", true);
  fresh.start(wanted("2.0.0"));
  await device.until("its end", () => device.ended !== undefined);
  assert.is(device.ended?.failed, true);
  assert.match(readFileSync(join(device.slots, "note.json"), "utf8"), /has not reached the controller/);
  await fresh.stop();
  // What the launcher then writes, and an agent that dies after the event and before the record.
  const { trial, ...rest } = device.state();
  const failed = [{ ...trial, reason: "why", at: "then", wasTried: true, told: false }];
  const record = JSON.stringify({ ...rest, trial: null, failed });
  for (let life = 0; life < 2; life++) {
    writeFileSync(join(device.slots, "state.json"), record);
    device.forgets = life > 0;
    const back = device.agent();
    back.start(wanted("2.0.0"));
    await device.until("its memory", () => back.report().phase === "failed");
    assert.is(back.report().reason, "version 2.0.0 was rolled back: why");
    await back.stop();
  }
  assert.equal(device.events, ["agent.update-started", "agent.rolled-back"]);
  assert.ok(device.state().failed?.[0]?.told);
  assert.equal(readdirSync(device.slots).sort(), ["note.json", "state.json"]);
});

test("a torn record, and one of another installed version, are none; what failed is still known", async (t) => {
  const device = new Device(t);
  mkdirSync(join(device.slots, "b"), { recursive: true });
  writeFileSync(join(device.slots, "state.json"), '{"base":"1.0');
  const updater = device.agent();
  updater.start(undefined);
  await device.until("the sweep", () => !existsSync(join(device.slots, "b")));
  await updater.stop();
  const { digest, version } = wanted("2.0.0");
  const failed = [{ digest, version, reason: "it crashed", at: "then", wasTried: true, told: true }];
  writeFileSync(join(device.slots, "state.json"), JSON.stringify({ base: "0.9.0", committed: "a", failed }));
  const after = device.agent();
  after.start(wanted("2.0.0"));
  await device.until("its memory", () => after.report().phase === "failed");
  await after.stop();
});

test("there and back again: each update is told, also of a version that was there before", async (t) => {
  const device = new Device(t);
  device.heard = true;
  let slot: Slot = "usr";
  for (const version of ["2.0.0", "3.0.0", "2.0.0"]) {
    device.version = version;
    const old = device.agent(slot);
    old.start(wanted(version));
    await device.until(`the trial of ${version}`, () => device.ended !== undefined);
    await old.stop();
    slot = device.state().trial?.slot ?? "usr";
    const fresh = device.agent(slot, true);
    fresh.start(wanted(version));
    await device.until(`${version} in force`, () => device.state().committed === slot && device.state().trial === null);
    await device.until("the event", () => Object.values(device.state().proven ?? {}).every(({ told }) => told === true));
    await fresh.stop();
  }
  const one = ["agent.update-started", "agent.updated"];
  assert.equal(device.events, [...one, ...one, ...one]);
});

test("a trial that the launcher could not begin, and that is not wanted any more, is taken off the record", async (t) => {
  const device = new Device(t);
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  const same = device.agent();
  same.start(wanted("2.0.0"));
  await device.until("the waiting", () => /can be recorded/.test(same.report().reason));
  assert.is(device.state().trial?.version, "2.0.0");
  same.setWanted(undefined);
  await device.until("the record", () => device.state().trial === null);
  await device.until("the sweep", () => !existsSync(join(device.slots, "a")));
  assert.is(same.report().phase, "current");
  await same.stop();
});

test("an event that a full disk refused is told when there is room, by the same agent", async (t) => {
  const device = new Device(t);
  device.version = "7.7.7";
  const updater = device.agent();
  device.refused = 2;
  updater.start(wanted("2.0.0"));
  await device.until("the event", () => device.events.includes("agent.update-failed"));
  assert.equal(device.events, ["agent.update-started", "agent.update-failed"]);
  await device.until("the memory of it", () => updater.report().phase === "failed");
  await updater.stop();
});

test("without room nothing is given up: the arithmetic is told once, and it goes on by itself when there is room", async (t) => {
  const device = new Device(t);
  device.freeBytes = 20 << 20;
  device.payloadBytes = 30 << 20;
  mkdirSync(join(device.slots, "a"), { recursive: true });
  writeFileSync(join(device.slots, "state.json"), JSON.stringify(inForce("a", "0.5.0", "b", "0.6.0")));
  makeTree(join(device.slots, "a"), "0.5.0");
  makeTree(join(device.slots, "b"), "0.6.0");
  const updater = device.agent("a");
  updater.start(wanted("2.0.0"));
  await device.until("the refusal", () => /no room to unpack/.test(updater.report().reason));
  assert.match(
    updater.report().reason,
    /needs 30\.0 MiB and 16\.0 MiB that stay free; 20\.0 MiB are free and slot b would give 0\.0 MiB, so 26\.0 MiB/,
  );
  await device.until("another try", () => device.log.filter((word) => word === "makeRoom").length > 2);
  assert.equal(device.events, ["agent.update-started", "agent.update-delayed"]);
  assert.match(device.reasons[1] ?? "", /26\.0 MiB are lacking/);
  // The payload is not removed to make room for itself.
  assert.not(device.log.includes("unpin"));
  // The other slot is still what can be fallen back to.
  assert.is(device.state().proven?.b?.version, "0.6.0");
  assert.ok(existsSync(join(device.slots, "b/bin/lightvd")));
  device.freeBytes = 46 << 20;
  await device.until("its end", () => device.ended !== undefined);
  assert.is(device.state().trial?.slot, "b");
  await updater.stop();
});

test("on trial it starts a sandbox before it is in force; one that can't makes way, and says what it lacked", async (t) => {
  const device = new Device(t);
  device.heard = true;
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  device.proof = new Error("the monitor refuses unknown keys");
  const record = readFileSync(join(device.slots, "state.json"), "utf8");
  const bad = device.agent("a", true);
  bad.start(wanted("2.0.0"));
  await device.until("its end", () => device.ended !== undefined);
  assert.is(device.ended?.failed, true);
  assert.is(device.state().committed, "usr");
  assert.match(readFileSync(join(device.slots, "note.json"), "utf8"), /could not start a sandbox: the monitor refuses unknown keys/);
  assert.ok(device.log.filter((word) => word === "proof").length > 1, "it was tried once only");
  await bad.stop();
  // One trouble that passes is none; and without an image there is nothing to prove.
  for (const proof of [true, false]) {
    writeFileSync(join(device.slots, "state.json"), record);
    device.proof = new Error("no memory just now");
    const good = device.agent("a", true);
    good.start(wanted("2.0.0"));
    await device.clock.advance(3_000);
    assert.is(device.state().committed, "usr");
    device.proof = proof;
    await device.until("the commit", () => device.state().committed === "a");
    await good.stop();
  }
});

test("a trial without any network is no failure: it waits until the controller is there, and is tried again", async (t) => {
  const device = new Device(t);
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  device.online = false;
  device.network = false;
  const fresh = device.agent("a", true);
  fresh.start(wanted("2.0.0"));
  await device.until("its end", () => device.ended !== undefined);
  assert.equal(JSON.parse(readFileSync(join(device.slots, "note.json"), "utf8")), {
    digest: wanted("2.0.0").digest,
    reason: "there was no network",
    again: true,
  });
  await fresh.stop();
  // What the launcher makes of it (native/slots/decide.cpp).
  const { trial } = device.state();
  writeFileSync(
    join(device.slots, "state.json"),
    JSON.stringify({ ...device.state(), trial: { ...trial, tries: ["boot+"], waits: true } }),
  );
  const back = device.agent();
  back.start(wanted("2.0.0"));
  await device.until("the waiting", () => /waits for the controller/.test(back.report().reason));
  await device.clock.advance(600_000);
  assert.is(device.ended, undefined);
  device.online = true;
  await device.until("its end", () => device.ended !== undefined);
  assert.equal(device.ended?.failed, false);
  assert.equal([device.state().trial?.waits, device.state().trial?.tries], [false, ["boot+"]]);
  assert.equal(device.events, ["agent.update-started"]);
  await back.stop();
});

test("a network that was there for a moment makes the silence the version's own", async (t) => {
  const device = new Device(t);
  const old = device.agent();
  old.start(wanted("2.0.0"));
  await device.until("the trial", () => device.ended !== undefined);
  await old.stop();
  device.online = false;
  const fresh = device.agent("a", true);
  fresh.start(wanted("2.0.0"));
  await device.until("a look around", () => device.log.includes("proof"));
  device.network = false;
  await device.until("its end", () => device.ended !== undefined);
  assert.not.match(readFileSync(join(device.slots, "note.json"), "utf8"), /again/);
  await fresh.stop();
});

test("a version in force that the launcher has given up is told by the one that comes back", async (t) => {
  const device = new Device(t);
  const { digest, version } = wanted("2.0.0");
  makeTree(join(device.slots, "a"), "2.0.0");
  const proven = { a: { version, digest, told: true, crashed: true } };
  const failed = [{ version, digest, attempt: 0, reason: "it ended 5 times in a row", at: "then", wasTried: true, told: false }];
  writeFileSync(join(device.slots, "state.json"), JSON.stringify({ base: "1.0.0", committed: "usr", trial: null, proven, failed }));
  const back = device.agent();
  back.start(wanted("2.0.0"));
  await device.until("its memory", () => back.report().phase === "failed");
  assert.is(back.report().reason, "version 2.0.0 was rolled back: it ended 5 times in a row");
  assert.equal(device.events, ["agent.rolled-back"]);
  // The launcher's last resort stays, and keeps its mark.
  assert.is(device.state().proven?.a?.crashed, true);
  assert.ok(existsSync(join(device.slots, "a/bin/lightvd")));
  await back.stop();
});
