/** The link against a real broker on a real socket: sessions, wills, broken messages, a broker that goes away. */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import * as assert from "uvu/assert";
import { systemClock } from "#agent/lib/clock.ts";
import { EventPump } from "#agent/link/event-pump.ts";
import { Link, type LinkHandlers } from "#agent/link/link.ts";
import { parseMessage } from "#agent/wire/messages.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import { type Channel, topicOf } from "#agent/wire/topics.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/link");
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };
const DEVICE = "gate-7";

/** A controller's side of the wire: a broker that remembers what came, and can be cut off and brought back on the same port. */
class Controller {
  readonly received: { channel: string; value: Record<string, unknown>; retain: boolean }[] = [];
  readonly sockets = new Set<Socket>();
  port = 0;
  private broker: Aedes | undefined;
  private server: Server | undefined;
  onMessage: (channel: string, value: Record<string, unknown>) => void = () => undefined;

  async start(): Promise<void> {
    const broker = await Aedes.createBroker({
      authenticate: (client, user, password, done) =>
        done(null, client.id === DEVICE && user === DEVICE && password?.toString() === "secret"),
    });
    broker.on("publish", (packet) => {
      const channel = packet.topic.split("/")[4];
      if (!packet.topic.startsWith("lv/") || channel === undefined) return;
      if (["desired", "ack", "cmd"].includes(channel)) return;
      const value = JSON.parse(packet.payload.toString()) as Record<string, unknown>;
      this.received.push({ channel, value, retain: packet.retain });
      this.onMessage(channel, value);
    });
    this.broker = broker;
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      broker.handle(socket);
    });
    await new Promise<void>((resolve) => this.server?.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => (this.server === undefined ? resolve() : this.server.close(() => resolve())));
    await new Promise<void>((resolve) => (this.broker === undefined ? resolve() : this.broker.close(() => resolve())));
  }

  send(channel: Channel, payload: string): Promise<void> {
    const packet = { cmd: "publish" as const, topic: topicOf(DEVICE, channel), payload, qos: 1 as const, retain: false, dup: false };
    return new Promise((resolve, reject) => this.broker?.publish(packet, (error) => (error ? reject(error) : resolve())));
  }

  of(channel: string): Record<string, unknown>[] {
    return this.received.filter((message) => message.channel === channel).map((message) => message.value);
  }
}

async function until(what: string, done: () => boolean): Promise<void> {
  for (let n = 0; n < 1500; n++) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}

async function setUp(
  t: TestContext,
  handlers: Partial<LinkHandlers> = {},
  password = "secret",
): Promise<{ controller: Controller; link: Link }> {
  const controller = new Controller();
  await controller.start();
  let session = 0;
  const none = (): void => undefined;
  const link = new Link({
    url: `mqtt://127.0.0.1:${controller.port}`,
    device: DEVICE,
    password,
    keepaliveMs: 30_000,
    ca: undefined,
    pin: undefined,
    agentVersion: "0.0.0",
    reconnectMinMs: 20,
    reconnectMaxMs: 100,
    nextSession: () => ++session,
    clock: systemClock(),
    random: Math.random,
    log: SILENT,
    handlers: { onDesired: none, onAck: none, onCommand: none, onRejected: none, onUp: none, ...handlers },
  });
  t.cleanup(() => controller.stop());
  t.cleanup(() => link.stop());
  link.start();
  return { controller, link };
}

test("says online with its session, and offline when it is stopped", async (t) => {
  const { controller, link } = await setUp(t);
  await until("online", () => controller.of("status").length === 1);
  await link.stop();
  const [online, offline] = controller.received.filter((message) => message.channel === "status");
  assert.equal([online?.value.online, offline?.value.online], [true, false]);
  assert.equal([online?.value.session, offline?.value.session], [1, 1]);
  assert.is(online?.retain, true);
});

test("a connection that breaks leaves its will, and the next one has a higher session", async (t) => {
  const { controller } = await setUp(t);
  await until("online", () => controller.of("status").length === 1);
  for (const socket of controller.sockets) socket.destroy();
  await until("the second connection", () => controller.of("status").filter((status) => status.online === true).length === 2);
  const will = controller.of("status").find((status) => status.online === false);
  assert.is(will?.session, 1);
  assert.is(controller.of("status").filter((status) => status.online === true)[1]?.session, 2);
});

test("comes back when the broker was away", async (t) => {
  const { controller, link } = await setUp(t);
  await until("online", () => link.connected);
  await controller.stop();
  await until("offline", () => !link.connected);
  await assertRejects(link.publish("status", { session: 1, online: true, bootId: "b", agentVersion: "0", at: "2026-01-01T00:00:00Z" }));
  await controller.start();
  await until("online again", () => link.connected);
});

async function assertRejects(promise: Promise<unknown>): Promise<void> {
  const outcome = await promise.then(
    () => "resolved",
    (error: { code?: string }) => error.code,
  );
  assert.is(outcome, "LV_UNAVAILABLE");
}

test("refuses, counts and tells broken messages, and goes on", async (t) => {
  const refused: string[] = [];
  const taken: unknown[] = [];
  const { controller, link } = await setUp(t, {
    onRejected: (channel, reason) => refused.push(`${channel}: ${reason}`),
    onDesired: (message) => taken.push(message),
  });
  await until("online", () => controller.of("status").length === 1);
  await controller.send("desired", "{");
  await controller.send("desired", JSON.stringify({ revision: -1, issuedAt: "2026-01-01T00:00:00Z", apps: [] }));
  await controller.send("cmd", JSON.stringify({ id: "a", issuedAt: "2026-01-01T00:00:00Z", type: "explode" }));
  await controller.send("ack", "x".repeat(70_000));
  await controller.send("desired", "");
  await controller.send("desired", JSON.stringify({ revision: 1, issuedAt: "2026-01-01T00:00:00Z", apps: [], newer: "key" }));
  await until("the good one", () => taken.length === 1);
  assert.is(refused.length, 4);
  assert.is(link.rejectedMessages, 4);
  assert.match(refused[0] ?? "", /not JSON/);
  assert.match(refused[3] ?? "", /over 65536/);
});

test("events are sent again until the controller has committed them, in order, over a broken connection", async (t) => {
  const pending: DeviceEvent[] = [];
  const add = (seq: number): void => {
    pending.push({ seq, bootId: "b", uptimeMs: seq, at: "2026-01-01T00:00:00Z", type: "test.event", data: {} });
  };
  const source = {
    next: (after: number, _bytes: number, count: number) => pending.filter((event) => event.seq > after).slice(0, count),
    acknowledge: (seq: number) => {
      while ((pending[0]?.seq ?? Number.POSITIVE_INFINITY) <= seq) pending.shift();
    },
  };
  let link: Link | undefined;
  const pump = new EventPump({ source, clock: systemClock(), send: async (events) => link?.publish("event", { events }) });
  const set = await setUp(t, { onUp: (signal) => void pump.run(signal), onAck: ({ seq }) => pump.acknowledge(seq) });
  link = set.link;
  const { controller } = set;
  let committed = 0;
  let deaf = true;
  controller.onMessage = (channel, value) => {
    const now = new Date().toISOString();
    if (channel === "status" && value.online === true) void controller.send("ack", JSON.stringify({ seq: committed, now }));
    if (channel !== "event" || deaf) return;
    const parsed = parseMessage("event", JSON.stringify(value));
    assert.ok(parsed.ok);
    for (const { seq } of parsed.value.events) {
      assert.ok(seq <= committed + 1, `${seq} behind ${committed}: a gap`);
      committed = Math.max(committed, seq);
    }
    void controller.send("ack", JSON.stringify({ seq: committed, now }));
  };
  for (let seq = 1; seq <= 600; seq++) add(seq);
  pump.kick();
  await until("events that nobody commits", () => controller.of("event").length > 0);
  deaf = false;
  for (const socket of controller.sockets) socket.destroy();
  await until("all to be committed", () => committed === 600 && pending.length === 0);
  add(601);
  pump.kick();
  await until("the next", () => committed === 601);
});

test("a wrong password is not accepted, and is tried again without a flood", async (t) => {
  const { controller, link } = await setUp(t, {}, "wrong");
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.is(link.connected, false);
  assert.equal(controller.received, []);
});
