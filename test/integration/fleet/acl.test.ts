/** What a device may do on the broker, tried by real clients against a real controller. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { EnrollResponse } from "#agent/wire/protocol/enroll.ts";
import { topicOf } from "#agent/wire/topics.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { closedOf, connectDevice, event, eventually } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/acl");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
let fleet: Fleet;
let alice: EnrollResponse;
let bob: EnrollResponse;

test.before(async () => {
  fleet = await startFleet(directory);
  alice = await fleet.enroll("alice");
  bob = await fleet.enroll("bob");
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function audited(action: string, text: string): Promise<void> {
  await eventually(async () => {
    const { entries } = await fleet.api<{ entries: { action: string; actor: string; detail: string }[] }>("GET", "/v1/audit?limit=1000");
    return entries.find((entry) => entry.action === action && `${entry.actor} ${entry.detail}`.includes(text));
  }, `an audit entry ${action} ${text}`);
}

async function refused(credentials: EnrollResponse, options: object): Promise<string> {
  try {
    await (await connectDevice(credentials, options)).end();
  } catch (error) {
    return String(error);
  }
  throw new Error("the broker let it in");
}

test("a wrong password, no password, an unknown device and another client id are refused and audited", async () => {
  assert.match(await refused({ ...alice, password: "x".repeat(43) }, {}), /Bad username or password|Not authorized/i);
  assert.match(await refused({ ...alice, password: bob.password }, {}), /Bad username or password|Not authorized/i);
  await refused({ ...alice, password: "" }, {});
  await refused({ ...alice, device: "mallory" }, {});
  await refused(alice, { clientId: "somebody-else" });
  await refused(alice, { username: undefined, password: undefined });
  await audited("mqtt.login", "alice: wrong password");
  await audited("mqtt.login", "somebody-else");
});

test("a will for another device's status is refused at the door", async () => {
  await refused(alice, { will: { topic: topicOf("bob", "status"), payload: Buffer.from("{}"), qos: 1, retain: true } });
  await refused(alice, { will: { topic: "elsewhere", payload: Buffer.from("{}"), qos: 0, retain: false } });
  await audited("mqtt.login", "last will");
});

for (const [what, topic, retain] of [
  ["to another device", topicOf("bob", "event"), false],
  ["to what only the controller sends", topicOf("alice", "desired"), false],
  ["outside of the protocol", "anything/else", false],
  ["to the broker's own topics", "$SYS/alice/heartbeat", false],
  ["retained where that is not foreseen", topicOf("alice", "reported"), true],
  ["with a shard that is not the device's", topicOf("alice", "event").replace(/^lv\/1\/../, "lv/1/zz"), false],
] as const)
  test(`publishing ${what} ends the connection and reaches nobody`, async (t) => {
    const listener = await connectDevice(bob, { session: Date.now() });
    t.cleanup(() => listener.leave());
    const device = await connectDevice(alice, { session: Date.now() });
    t.cleanup(() => device.end());
    const closed = closedOf(device);
    const before = listener.received.length;
    const body = JSON.stringify({ events: [event(1)], revision: 99, issuedAt: "2026-11-24T10:00:00.000Z", apps: [] });
    device.client.publish(topic, body, { qos: 1, retain });
    await closed;
    assert.is(listener.received.filter(({ channel }) => channel === "desired").length, 0);
    assert.ok(listener.received.length >= before);
    const { events } = await fleet.api<{ events: unknown[] }>("GET", "/v1/events");
    assert.equal(events, []);
    await audited("mqtt.publish", topic);
  });

test("subscribing wider, to others, or to one's own reports is refused in the SUBACK, and the connection lives on", async (t) => {
  const device = await connectDevice(alice, { session: Date.now() });
  t.cleanup(() => device.leave());
  for (const filter of [
    "#",
    "lv/1/#",
    "+/+/+/+/+",
    topicOf("bob", "desired"),
    topicOf("alice", "event"),
    `${topicOf("alice", "desired")}/#`,
    "$SYS/#",
  ]) {
    const error = await device.client.subscribeAsync(filter, { qos: 1 }).then(
      (granted) => (granted.every(({ qos }) => Number(qos) === 128) ? "refused" : undefined),
      (reason: unknown) => String(reason),
    );
    assert.ok(error !== undefined, `${filter} was granted`);
  }
  assert.ok(device.client.connected);
  await audited("mqtt.subscribe", "lv/1/#");
});

test("a packet over the bound ends the connection before it is read, with and without a login", async (t) => {
  const device = await connectDevice(alice, { session: Date.now() });
  t.cleanup(() => device.end());
  const closed = closedOf(device);
  device.client.publish(topicOf("alice", "event"), Buffer.alloc(1024 * 1024), { qos: 1 });
  await closed;
  await audited("mqtt.frame", "262144");

  const { hostname, port } = new URL(fleet.endpoints.mqtt ?? "");
  const socket = tcpConnect(Number(port), hostname);
  t.cleanup(() => socket.destroy());
  // A CONNECT that says it has 200 MiB.
  socket.write(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x64]));
  await new Promise((resolve) => socket.on("error", resolve).on("close", resolve));
});

test("a second connection of a device replaces the first, whose late will does not mark it dead", async (t) => {
  const first = await connectDevice(bob, { session: 9_000_000_000_001 });
  const second = await connectDevice(bob, { session: 9_000_000_000_002 });
  t.cleanup(() => second.leave());
  await first.end();
  await second.reported(1, 0);
  await second.next("ack");
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { online } = await fleet.api<{ online: boolean }>("GET", "/v1/devices/bob");
  assert.ok(online);
});

test("a removed device is cut off and can't come back", async () => {
  const carol = await fleet.enroll("carol");
  const device = await connectDevice(carol);
  const closed = closedOf(device);
  await fleet.api("DELETE", "/v1/devices/carol");
  await closed;
  await device.end();
  await refused(carol, { session: 2 });
});

test("connections beyond the rate are told to come again, and are let in later", async (t) => {
  const other = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
  t.cleanup(() => rmSync(other, { recursive: true, force: true }));
  const slow = await startFleet(other, { extra: ["--set", "mqtt.connects-per-second=2"] });
  t.cleanup(() => slow.stop());
  const credentials = await slow.enroll("dora");
  const tries = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) => connectDevice(credentials, { session: n + 1, silent: true })),
  );
  for (const { value } of tries.filter((result) => result.status === "fulfilled")) await value.end();
  const busy = tries.filter((result) => result.status === "rejected" && /Server unavailable/i.test(String(result.reason)));
  assert.ok(busy.length > 0, "nobody was told to come again");
  await eventually(
    () =>
      connectDevice(credentials, { session: 100 }).then(
        (device) => device.leave().then(() => true),
        () => undefined,
      ),
    "a connection to be let in",
  );
});
