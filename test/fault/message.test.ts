/**
 * Broken and unknown messages, in both directions, through a broker that lets anybody say anything: each is refused, counted and told, the
 * state in force stays, apps keep their processes, and the next good message is taken.
 */
import { createServer, type Socket } from "node:net";
import { Aedes } from "aedes";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { type Channel, topicOf } from "#agent/wire/topics.ts";
import { AppWatch } from "#test/lib/app-watch.ts";
import { busyboxImage } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { freePort, until, World } from "#test/lib/world.ts";

const test = suite("fault/message");

/** An external broker without any rights: whoever knows a topic may write to it. */
class OpenBroker {
  private readonly broker: Aedes;

  static async start(t: TestContext, port: number): Promise<OpenBroker> {
    const broker = await Aedes.createBroker();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.once("close", () => sockets.delete(socket)));
      broker.handle(socket);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    t.cleanup(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    });
    return new OpenBroker(broker);
  }

  private constructor(broker: Aedes) {
    this.broker = broker;
  }

  say(topic: string, payload: string | object): Promise<void> {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    const packet = { cmd: "publish", topic, payload: text, qos: 1, retain: false, dup: false } as const;
    return new Promise((resolve, reject) => this.broker.publish(packet, (error) => (error ? reject(error) : resolve())));
  }
}

async function begin(t: TestContext): Promise<{
  world: World;
  watch: AppWatch;
  app: App;
  pid: number;
  say: (channel: Channel, payload: string | object) => Promise<void>;
  broker: OpenBroker;
}> {
  const reason = World.unavailable();
  if (reason !== undefined) t.skip(reason);
  const port = await freePort();
  const broker = await OpenBroker.start(t, port);
  const url = `mqtt://127.0.0.1:${port}`;
  const world = new World({ fleet: ["--set", `mqtt.url=${url}`, "--set", `mqtt.public-url=${url}`] });
  t.cleanup(() => world.close());
  await world.start();
  const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
  await world.fleetOk("push", "base");
  const app: App = { name: "app", image: { name: "base:latest", digest, size }, command: ["/bin/sleep", "100000"] };
  await world.desire([app]);
  const watch = new AppWatch(world);
  const { pid } = await watch.reported("app", ({ phase }) => phase === "running");
  return { world, watch, app, pid: pid ?? 0, broker, say: (channel, payload) => broker.say(topicOf(world.device, channel), payload) };
}

test(
  "a device refuses broken, older and unknown messages one by one, tells it, and goes on",
  async (t) => {
    const { world, watch, app, pid, say } = await begin(t);
    const issuedAt = "2026-11-24T10:00:00Z";
    const broken: [Channel, string | object, RegExp][] = [
      ["desired", "{ no json", /JSON/i],
      ["desired", { revision: 50, issuedAt, apps: [{ ...app, image: { ...app.image, digest: "sha256:short" } }] }, /digest/],
      ["desired", { revision: 50, issuedAt, apps: [app, app] }, /names app app twice/],
      ["desired", { revision: 0, issuedAt, apps: [] }, /revision|older/],
      ["desired", `{"pad":"${"x".repeat(70_000)}"}`, /65,?536|64 KiB|large|bytes/],
      ["cmd", { id: "c-0123456789", type: "dance" }, /^\/type must be/],
      ["ack", { seq: -1, now: issuedAt }, /seq/],
    ];
    for (const [n, [channel, payload, why]] of broken.entries()) {
      const before = (await world.events()).filter(({ type }) => type === "message.rejected").length;
      await say(channel, payload);
      const rejected = await until(`message ${n} to be told as rejected`, async () => {
        const all = (await world.events()).filter(({ type }) => type === "message.rejected");
        return all.length > before ? all.at(-1) : undefined;
      });
      assert.is(rejected.data.channel, channel);
      assert.match(String(rejected.data.reason), why);
      // A flood is one event a second.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
    assert.equal([(await world.appReport("app"))?.pid, (await world.view())?.online], [pid, true]);
    const revision = await world.desire([app, { ...app, name: "second" }]);
    assert.is((await watch.reported("second", ({ phase }) => phase === "running")).revision, revision, "the next good one is taken");
    assert.is((await world.appReport("app"))?.pid, pid);
  },
  { timeoutMs: 120_000 },
);

test(
  "the controller refuses broken and unknown messages, counts them for the device, and takes the next good one",
  async (t) => {
    const { world, watch, app, pid, say, broker } = await begin(t);
    const rejected = async (): Promise<number> =>
      (await world.controller.api<{ rejectedMessages: number }>("GET", `/v1/devices/${world.device}`)).rejectedMessages;
    const broken: [Channel, string | object][] = [
      ["event", "{ no json"],
      ["event", { events: [] }],
      ["reported", { bootId: "x" }],
      ["result", { id: 7 }],
      ["status", []],
    ];
    const before = await rejected();
    for (const [channel, payload] of broken) await say(channel, payload);
    await until("all to be counted", async () => ((await rejected()) >= before + broken.length ? true : undefined));
    await broker.say(topicOf(world.device, "event").replace(/event$/, "dance"), { any: "thing" });
    await world.desire([app, { ...app, name: "second" }]);
    await watch.reported("second", ({ phase }) => phase === "running");
    assert.is((await world.appReport("app"))?.pid, pid);
    const numbers = (await world.events()).map(({ seq }) => seq);
    assert.equal(
      numbers,
      numbers.map((_, at) => at + 1),
      "no event is lost or doubled",
    );
  },
  { timeoutMs: 120_000 },
);
