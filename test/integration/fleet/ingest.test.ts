/** From a device's message to the store: nothing doubled, nothing lost in silence, nothing broken that is fatal. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { at, BOOT, connectDevice, event, eventually, type MqttDevice } from "#test/lib/mqtt-device.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fleet/ingest");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
let fleet: Fleet;

test.before(async () => {
  fleet = await startFleet(directory);
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface View {
  readonly online: boolean;
  readonly ackedSeq: number;
  readonly rejectedMessages: number;
  readonly lost: { from: number; to: number }[];
  readonly reported: { n: number; desiredRevision: number } | null;
  readonly inventory: { hostname: string } | null;
  readonly metric: { n: number } | null;
}

const view = (id: string): Promise<View> => fleet.api<View>("GET", `/v1/devices/${id}`);

async function seqs(id: string): Promise<number[]> {
  const { events } = await fleet.api<{ events: { seq: number }[] }>("GET", `/v1/events?device=${id}&after=0&limit=10000`);
  return events.map(({ seq }) => seq);
}

async function device(t: TestContext, id: string): Promise<MqttDevice> {
  const connected = await connectDevice(await fleet.enroll(id));
  t.cleanup(() => connected.leave());
  return connected;
}

const acked = (seq: number) => (message: Record<string, unknown>) => message.seq === seq;

test("a device that connects is told where its events stand", async (t) => {
  const dev = await device(t, "greeted");
  assert.is((await dev.next("ack")).message.seq, 0);
  await dev.events(event(1), event(2));
  await dev.next("ack", acked(2));
  await dev.leave();
  const again = await connectDevice({ ...(await fleet.enroll("other")), device: "other" });
  t.cleanup(() => again.leave());
  assert.is((await again.next("ack")).message.seq, 0);
});

test("doubled events, in one batch or over several, are stored once", async (t) => {
  const dev = await device(t, "doubled");
  await dev.events(event(1), event(2), event(2), event(1));
  await dev.next("ack", acked(2));
  for (let n = 0; n < 5; n += 1) await dev.events(event(1), event(2), event(3));
  await dev.next("ack", acked(3));
  await eventually(async () => ((await seqs("doubled")).length === 3 ? true : undefined), "three events");
  assert.equal(await seqs("doubled"), [1, 2, 3]);
});

test("a gap is stored as lost, audited, and acknowledged over", async (t) => {
  const dev = await device(t, "gapped");
  await dev.events(event(1), event(2));
  await dev.next("ack", acked(2));
  await dev.events(event(6), event(7), event(9));
  await dev.next("ack", acked(9));
  assert.equal(
    (await view("gapped")).lost.map(({ from, to }) => [from, to]),
    [
      [3, 5],
      [8, 8],
    ],
  );
  const { entries } = await fleet.api<{ entries: { action: string; detail: string }[] }>("GET", "/v1/audit");
  assert.ok(entries.some(({ action, detail }) => action === "event.gap" && detail.includes("3 to 5")));
});

test("a number that comes again with another content keeps the first, and is audited", async (t) => {
  const dev = await device(t, "conflicted");
  await dev.events(event(1));
  await dev.next("ack", acked(1));
  await dev.events(event(1, "app.exited", { bootId: "another-boot" }), event(2));
  await dev.next("ack", acked(2));
  const { events } = await fleet.api<{ events: { type: string }[] }>("GET", "/v1/events?device=conflicted&after=0");
  assert.equal(
    events.map(({ type }) => type),
    ["app.started", "app.started"],
  );
  await eventually(async () => {
    const { entries } = await fleet.api<{ entries: { action: string }[] }>("GET", "/v1/audit");
    return entries.find(({ action }) => action === "event.conflict");
  }, "the audit of the conflict");
});

test("broken messages of every channel are counted and shown, and the device goes on", async (t) => {
  const dev = await device(t, "broken");
  const broken = ["", "{", "null", "[]", '"x"', Buffer.from([0xff, 0x00]), "{}", " ".repeat(70_000)];
  let sent = 0;
  for (const channel of ["status", "reported", "event", "result", "log", "metric"] as const)
    for (const payload of broken) {
      await dev.publish(channel, payload);
      sent += 1;
    }
  await dev.events(event(1));
  await dev.next("ack", acked(1));
  await eventually(async () => ((await view("broken")).rejectedMessages === sent ? true : undefined), `${sent} rejected messages`);
  assert.ok(dev.client.connected);
  assert.ok((await view("broken")).online);
  const metrics = String((await fleet.raw("GET", "/metrics")).body);
  assert.match(metrics, /lightv_fleet_messages_rejected_total\{channel="log"\} [1-9]/);
});

test("a late will of an older session changes nothing; the one of this session ends it", async () => {
  const credentials = await fleet.enroll("presence");
  const first = await connectDevice(credentials, { session: 5 });
  await first.status(false, 4);
  await first.status(true, 3);
  await first.reported(1, 0);
  await eventually(async () => ((await view("presence")).reported === null ? undefined : true), "the report");
  assert.ok((await view("presence")).online);
  await first.vanish();
  await eventually(async () => ((await view("presence")).online ? undefined : true), "the last will");
  const second = await connectDevice(credentials, { session: 6 });
  await eventually(async () => ((await view("presence")).online ? true : undefined), "the device to be back");
  await second.leave();
  await eventually(async () => ((await view("presence")).online ? undefined : true), "the goodbye");
});

test("a device whose disk went back hears which session it must pass, also when its number is that of the last one", async (t) => {
  const credentials = await fleet.enroll("back");
  const first = await connectDevice(credentials, { session: 5 });
  await eventually(async () => ((await view("back")).online ? true : undefined), "the device to be online");
  await first.leave();
  await eventually(async () => ((await view("back")).online ? undefined : true), "the device to be offline");
  for (const session of [2, 5]) {
    const again = await connectDevice(credentials, { session, bootId: `another-${session}` });
    assert.is((await again.next("ack")).message.session, 5);
    assert.is((await view("back")).online, false, "a session that is over does not begin again");
    await again.leave();
  }
  const beyond = await connectDevice(credentials, { session: 6, bootId: "another-6" });
  t.cleanup(() => beyond.leave());
  assert.is((await beyond.next("ack")).message.session, undefined);
  await eventually(async () => ((await view("back")).online ? true : undefined), "the device to be online again");
});

test("the latest report wins, within a session by its number; the inventory stays", async () => {
  const credentials = await fleet.enroll("reporter");
  const inventory = {
    hostname: "h",
    architecture: "amd64",
    kernel: "k",
    os: "o",
    cpu: "c",
    cores: 1,
    memoryBytes: 1,
    diskBytes: 1,
    network: [],
  };
  const first = await connectDevice(credentials, { session: 1 });
  await first.reported(5, 0, { inventory });
  await first.reported(4, 0);
  await first.reported(6, 0);
  await eventually(async () => ((await view("reporter")).reported?.n === 6 ? true : undefined), "report 6");
  assert.is((await view("reporter")).inventory?.hostname, "h");
  await first.reported(3, 0);
  await first.leave();
  // The agent was started anew, in the same boot: it counts from 0.
  const second = await connectDevice(credentials, { session: 2 });
  await second.reported(0, 0);
  await eventually(async () => ((await view("reporter")).reported?.n === 0 ? true : undefined), "report 0 of the new session");
  await second.leave();
});

test("heartbeats are shown while they are new", async (t) => {
  const dev = await device(t, "beating");
  const usage = { memoryTotalBytes: 1, memoryAvailableBytes: 1, diskTotalBytes: 1, diskFreeBytes: 1, load1: 0.5, cpuUsedMs: 1 };
  const agent = { rssBytes: 1, heapUsedBytes: 1, outboxEvents: 0 };
  await dev.publish("metric", { bootId: BOOT, n: 3, at: at(), uptimeMs: 1, device: usage, agent, apps: [] });
  await eventually(async () => ((await view("beating")).metric?.n === 3 ? true : undefined), "the heartbeat");
});

test(
  "100 devices that send at once are each acknowledged up to their own last event",
  async (t) => {
    const credentials = await Promise.all(Array.from({ length: 100 }, (_, n) => fleet.enroll(`many-${n}`)));
    const devices = await Promise.all(credentials.map((each) => connectDevice(each)));
    t.cleanup(() => Promise.all(devices.map((each) => each.leave())));
    await Promise.all(
      devices.map(async (each, n) => {
        for (let seq = 1; seq <= 20; seq += 1) await each.events(event(seq));
        await each.next("ack", acked(20), 60_000);
        assert.equal((await seqs(`many-${n}`)).length, 20);
      }),
    );
  },
  { timeoutMs: 120_000 },
);
