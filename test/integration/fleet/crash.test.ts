/** kill -9 of the controller while a device sends: what was acknowledged is there, each event once, in order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { startFleet } from "#test/lib/fleet.ts";
import { connectDevice, event, eventually, type MqttDevice } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/crash");
const KILLS = 8;

/** Sends as the protocol says: each batch begins with the oldest event that is not acknowledged, the next one after the ack. */
class Sender {
  acked = 0;
  made = 0;
  session = 0;
  stopped = false;

  async run(credentials: Parameters<typeof connectDevice>[0]): Promise<void> {
    while (!this.stopped) {
      this.session += 1;
      const device = await connectDevice(credentials, { session: this.session }).catch(() => undefined);
      if (device !== undefined) await this.#send(device).catch(() => undefined);
      await device?.end();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #send(device: MqttDevice): Promise<void> {
    while (device.client.connected && !this.stopped) {
      this.made += 7;
      const batch = Array.from({ length: Math.min(this.made - this.acked, 100) }, (_, n) => event(this.acked + 1 + n));
      const wanted = this.acked + batch.length;
      const sent = device.events(...batch);
      sent.catch(() => undefined);
      const ack = device.next("ack", (message) => Number(message.seq) >= wanted, 2_000);
      const gone = new Promise<never>((_, reject) => device.client.once("close", () => reject(new Error("gone"))));
      gone.catch(() => undefined);
      await Promise.race([ack, gone]).catch((error: unknown) => {
        ack.catch(() => undefined);
        throw error;
      });
      this.acked = Math.max(this.acked, ...device.of("ack").map((message) => Number(message.seq)));
    }
  }
}

test(
  `${KILLS} times kill -9: nothing acknowledged is missing, nothing is doubled, nothing is taken for lost`,
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
    t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
    const fleet = await startFleet(directory);
    t.cleanup(() => fleet.stop());
    const sender = new Sender();
    const running = sender.run(await fleet.enroll("victim"));
    t.cleanup(async () => {
      sender.stopped = true;
      await running;
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = sender.acked;
      await eventually(() => (sender.acked > before ? true : undefined), "progress before the next kill", 30_000);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      await fleet.restart();
    }
    sender.stopped = true;
    await running;
    const { events } = await fleet.api<{ events: { seq: number }[] }>("GET", "/v1/events?device=victim&after=0&limit=10000");
    const view = await fleet.api<{ lost: unknown[]; ackedSeq: number }>("GET", "/v1/devices/victim");
    assert.ok(sender.acked > KILLS);
    assert.ok(events.length >= sender.acked, `${sender.acked} acknowledged, ${events.length} there`);
    assert.equal(
      events.map(({ seq }) => seq),
      events.map((_, n) => n + 1),
    );
    assert.is(view.ackedSeq, events.length);
    assert.equal(view.lost, []);
  },
  { timeoutMs: 180_000 },
);

test("SIGTERM ends it in order; a second controller on the same directory is refused", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const fleet = await startFleet(directory);
  t.cleanup(() => fleet.kill());
  const dev = await connectDevice(await fleet.enroll("there"));
  t.cleanup(() => dev.end());
  const twin = await startFleet(directory).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  assert.match(twin ?? "", /in use by another lightv-fleet/);
  assert.is(await fleet.stop(), 0);
});
