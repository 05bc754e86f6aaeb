/** A controller on a broker of somebody else's: all of it works, and a connection that was away leaves nothing behind or undone. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import * as assert from "uvu/assert";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { connectDevice, event, eventually, type MqttDevice } from "#test/lib/mqtt-device.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fleet/external");

/** The other broker. It knows nothing of LightV; `cut` ends the controller's connection and keeps it out until `mend`. */
class OtherBroker {
  port = 0;
  private aedes: Aedes | undefined;
  private readonly server = createServer((socket) => this.accept(socket));
  private readonly controllers = new Set<Socket>();
  private closed = false;

  async start(): Promise<void> {
    this.aedes = await Aedes.createBroker({
      authenticate: (client, _user, _password, done) => {
        const controller = client.id.startsWith("lightv-fleet-");
        if (controller) this.controllers.add(client.conn as Socket);
        done(null, !(controller && this.closed));
      },
    });
    await new Promise<void>((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.server.address() as { port: number }).port;
  }

  cut(): void {
    this.closed = true;
    for (const socket of this.controllers) socket.destroy();
    this.controllers.clear();
  }

  mend(): void {
    this.closed = false;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.server.close(resolve));
    await new Promise<void>((resolve) => (this.aedes === undefined ? resolve() : this.aedes.close(() => resolve())));
    await ended;
  }

  private accept(socket: Socket): void {
    socket.on("error", () => undefined);
    this.aedes?.handle(socket);
  }
}

async function setUp(t: TestContext): Promise<{ broker: OtherBroker; fleet: Fleet; device: MqttDevice }> {
  const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const broker = new OtherBroker();
  await broker.start();
  t.cleanup(() => broker.stop());
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const fleet = await startFleet(directory, { extra: ["--set", `mqtt.url=${url}`, "--set", `mqtt.public-url=${url}`] });
  t.cleanup(() => fleet.stop());
  const credentials = await fleet.enroll("far");
  assert.is(credentials.mqttUrl, url);
  const device = await connectDevice(credentials);
  t.cleanup(() => device.end());
  await device.next("ack", (message) => message.seq === 0);
  return { broker, fleet, device };
}

test("presence, reports, events, the desired state and commands go over it", async (t) => {
  const { fleet, device } = await setUp(t);
  await device.events(event(1), event(2));
  await device.next("ack", (message) => message.seq === 2);
  const { revision } = await fleet.api<{ revision: number }>("PUT", "/v1/devices/far/desired", { apps: [] });
  await device.next("desired", (message) => message.revision === revision);
  await device.reported(1, revision);
  const view = await eventually(async () => {
    const now = await fleet.api<{ online: boolean; reportedRevision: number }>("GET", "/v1/devices/far");
    return now.reportedRevision === revision ? now : undefined;
  }, "the report");
  assert.is(view.online, true);
  const answer = fleet.api<{ state: string }>("POST", "/v1/devices/far/commands?waitMs=10000", { type: "inventory" });
  const { message } = await device.next("cmd");
  await device.publish("result", { id: message.id, ok: true, at: new Date().toISOString() });
  assert.is((await answer).state, "answered");
});

test("while the broker is away the API goes on at once, and afterwards the device hears what it has missed", async (t) => {
  const { broker, fleet, device } = await setUp(t);
  broker.cut();
  // Nobody takes this one; a device sends it again when it hears where it stands.
  await device.events(event(1));
  const { revision } = await fleet.api<{ revision: number }>("PUT", "/v1/devices/far/desired", { apps: [] });
  await fleet.api("POST", "/v1/devices/far/commands", { id: "later", type: "inventory" });
  const before = device.of("ack").length;
  assert.is(device.of("cmd").length, 0);
  broker.mend();
  await device.next("desired", (message) => message.revision === revision);
  await device.next("cmd", (message) => message.id === "later");
  assert.is(device.of("ack")[before]?.seq, 0);
  await device.events(event(1));
  await device.next("ack", (message) => message.seq === 1);
});

test("a controller that starts anew greets the devices that stayed connected, and ends in order while its broker is away", async (t) => {
  const { broker, fleet, device } = await setUp(t);
  await fleet.kill();
  const before = device.of("ack").length;
  await fleet.start();
  await eventually(() => (device.of("ack").length > before ? true : undefined), "the greeting");
  broker.cut();
  assert.is(await fleet.stop(), 0);
});
