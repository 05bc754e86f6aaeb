/** Who looks at a disk after a power cut must see what is wrong: each check is shown a disk that it has to complain about. */
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as assert from "uvu/assert";
import { OUTBOX_SCHEMA } from "#agent/reporter/outbox.ts";
import { run } from "#test/lib/command.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import type { EventView } from "#test/lib/world.ts";
import { record } from "#test/system/lib/power-cuts/ledger.ts";
import { checkOutcome, type Promised } from "#test/system/lib/power-cuts/outcomes.ts";
import type { PromisedAgent } from "#test/system/lib/power-cuts/slots.ts";

const test = suite("power-outcomes");

const event = (seq: number): EventView => ({ id: seq, seq, type: "agent.started", data: { n: seq } });
const AGENT: PromisedAgent = { base: "1.0.0", inForce: undefined, wanted: "sha256:new", trees: new Map() };
const PROMISED: Promised = { events: [event(1), event(2)], ackedSeq: 1, reportedRevision: 3, desiredRevision: 4, agent: AGENT };

interface Contents {
  readonly events: readonly EventView[];
  readonly lastSeq: number;
  readonly desired: string;
  /** state.json of the agent's slots. */
  readonly slots?: string;
}

const desired = (revision: number): string => JSON.stringify({ revision, issuedAt: "2026-01-01T00:00:00Z", apps: [] });
const GOOD: Contents = { events: [event(2)], lastSeq: 2, desired: desired(3) };

/** An ext4 image of a device with this in it. */
async function makeDisk(t: TestContext, { events, lastSeq, desired: text, slots }: Contents): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lightv-outcomes-"));
  t.cleanup(() => rm(directory, { recursive: true }));
  const root = join(directory, "root/var/lib/lightv");
  for (const name of ["agent", "images", "sandboxes"]) await mkdir(join(root, name), { recursive: true });
  await writeFile(join(root, "agent/desired.json"), text);
  if (slots !== undefined) {
    await mkdir(join(root, "agent/slots"));
    await writeFile(join(root, "agent/slots/state.json"), slots);
  }
  await writeFile(join(root, "agent/credentials.json"), "{}");
  await writeFile(join(root, "images/sha256-1.lv"), "");
  const database = new DatabaseSync(join(root, "agent/outbox.db"));
  database.exec(OUTBOX_SCHEMA);
  for (const { seq, type, data } of events)
    database.prepare("INSERT INTO event (seq, bytes, body) VALUES (?, 1, ?)").run(seq, JSON.stringify({ type, data }));
  database.exec(`DELETE FROM sqlite_sequence; INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ${lastSeq})`);
  database.close();
  const disk = join(directory, "disk.raw");
  const { code, stderr } = await run("mkfs.ext4", ["-q", "-d", join(directory, "root"), disk, "20M"]);
  assert.is(code, 0, stderr);
  return disk;
}

async function complaints(t: TestContext, contents: Contents, verify = "/bin/true"): Promise<string> {
  if (process.getuid?.() !== 0) t.skip("needs root, to mount a disk");
  return (await checkOutcome(await makeDisk(t, contents), PROMISED, [verify])).complaints.join("\n");
}

test("a disk on which all is as promised gives no complaint", async (t) => {
  assert.is(await complaints(t, GOOD), "");
});

test("an image that does not verify is seen", async (t) => {
  assert.match(await complaints(t, GOOD, "/bin/false"), /image sha256-1.lv does not verify/);
});

test("numbers that go back, events that are gone and events that have changed are seen", async (t) => {
  assert.match(await complaints(t, { ...GOOD, events: [], lastSeq: 1 }), /numbers go back: the controller has event 2/);
  assert.match(await complaints(t, { ...GOOD, events: [] }), /event 2 was not acknowledged, and is gone/);
  assert.match(await complaints(t, { ...GOOD, events: [{ ...event(2), data: { n: 7 } }] }), /event 2 is .*the controller has/);
});

test("a desired state that is older than what was reported, or damaged, is seen", async (t) => {
  assert.match(await complaints(t, { ...GOOD, desired: desired(2) }), /desired.json has revision 2; 3 was reported/);
  assert.match(await complaints(t, { ...GOOD, desired: "" }), /desired.json is damaged/);
});

test("a record of the agent's slots that is torn is seen", async (t) => {
  const record = JSON.stringify({ base: "1.0.0", committed: "usr", trial: null });
  assert.is(await complaints(t, { ...GOOD, slots: record }), "");
  assert.match(await complaints(t, { ...GOOD, slots: record.slice(0, 20) }), /the slots' record is damaged/);
});

test("a file system that is broken is seen", async (t) => {
  if (process.getuid?.() !== 0) t.skip("needs root, to mount a disk");
  const disk = await makeDisk(t, GOOD);
  const { code } = await run("debugfs", ["-w", "-R", "clri /var/lib/lightv/agent", disk]);
  assert.is(code, 0);
  assert.match((await checkOutcome(disk, PROMISED, ["/bin/true"])).complaints.join("\n"), /e2fsck/);
});

test("a superblock that was torn between its sectors is repaired, with answers, and what is promised is there", async (t) => {
  if (process.getuid?.() !== 0) t.skip("needs root, to mount a disk");
  const disk = await makeDisk(t, GOOD);
  const handle = await open(disk, "r+");
  // The time of the last write: in the first sector, while the checksum is in the second.
  await handle.write(Buffer.from([1, 2, 3, 4]), 0, 4, 1024 + 0x30);
  await handle.close();
  assert.equal(await checkOutcome(disk, PROMISED, ["/bin/true"]), { complaints: [], answered: true });
});

test("runs add up, by platform, and one that goes on takes its own place", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "lightv-ledger-"));
  t.cleanup(() => rm(directory, { recursive: true }));
  const file = join(directory, "power-cuts.json");
  const base = { date: "2026-01-01", acceleration: "tcg", seed: 1, devicesLost: 0, outcomes: 0, events: 10, moments: {} };
  await record({ ...base, platform: "amd64", cuts: 10, failures: [] }, file);
  await record({ ...base, platform: "arm64", cuts: 5, failures: [{ cut: 1, seed: 1, what: ["it did not come back"] }] }, file);
  const other = { ...base, platform: "amd64", seed: 2, failures: [] };
  await record({ ...other, cuts: 6 }, file);
  assert.equal(await record({ ...other, cuts: 7 }, file), {
    amd64: { cuts: 17, failures: 0 },
    arm64: { cuts: 5, failures: 1 },
  });
});
