/** A controller whose disk is full: it refuses in words, acknowledges nothing that is not on the disk, and goes on when there is room. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type ApiAnswer, type Fleet, startFleet } from "#test/lib/fleet.ts";
import { lvFile } from "#test/lib/lv-file.ts";
import { connectDevice, event, eventually, type MqttDevice } from "#test/lib/mqtt-device.ts";
import { SmallDisk } from "#test/lib/small-disk.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fleet/disk");
const MIB = 1024 * 1024;

async function setUp(t: TestContext): Promise<{ disk: SmallDisk; fleet: Fleet; device: MqttDevice }> {
  if (process.getuid?.() !== 0) t.skip("mounting a small disk needs root");
  const top = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
  t.cleanup(() => rmSync(top, { recursive: true, force: true }));
  const disk = SmallDisk.mount(join(top, "data"), 8 * MIB);
  t.cleanup(() => disk.unmount());
  const fleet = await startFleet(disk.directory);
  t.cleanup(() => fleet.stop());
  const device = await connectDevice(await fleet.enroll("dev"));
  t.cleanup(() => device.end());
  await device.next("ack", (message) => message.seq === 0);
  return { disk, fleet, device };
}

function push(fleet: Fleet, bytes: Uint8Array): Promise<ApiAnswer> {
  return fleet.raw("PUT", "/v1/images", undefined, {
    stream: (async function* () {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    })(),
    headers: { "content-type": "application/vnd.lightv.image.v1" },
  });
}

const codeOf = (answer: ApiAnswer): string => (answer.body as { error?: { code: string } }).error?.code ?? "";

test("an upload that does not fit fails with LV_DISK_FULL, leaves nothing, and fits once there is room", async (t) => {
  const { disk, fleet } = await setUp(t);
  const image = lvFile({ blocks: 512 });
  disk.fill(MIB);
  const answer = await push(fleet, image.bytes);
  assert.is(answer.status, 507);
  assert.is(codeOf(answer), "LV_DISK_FULL");
  assert.match(JSON.stringify(answer.body), /delete images that no device uses/);
  assert.equal([...readdirSync(join(disk.directory, "images")), ...readdirSync(join(disk.directory, "partial"))], []);
  disk.makeRoom();
  assert.is((await push(fleet, image.bytes)).status, 201);
});

test("events are acknowledged only when they are on the disk, and nothing is lost or doubled over a full one", async (t) => {
  const { disk, fleet, device } = await setUp(t);
  disk.fill(0);
  const large = (seq: number) => event(seq, "app.started", { data: { text: "x".repeat(15_000) } });
  let seq = 0;
  while (!/could not be stored/.test(fleet.output)) {
    assert.ok(seq < 2000, "the disk is never full");
    await device.events(large(seq + 1), large(seq + 2));
    seq += 2;
    await eventually(() => (acked(device) >= seq || /could not be stored/.test(fleet.output) ? true : undefined), "an answer");
  }
  const committed = acked(device);
  assert.ok(committed < seq);
  const refused = await fleet.raw("PUT", "/v1/devices/dev/desired", { apps: [] });
  const listed = await fleet.raw("GET", "/v1/devices/dev");
  assert.is(listed.status, 200, "what needs no room goes on");
  assert.is((listed.body as { ackedSeq: number }).ackedSeq, committed);
  assert.ok(refused.status === 200 || (refused.status === 507 && codeOf(refused) === "LV_DISK_FULL"), JSON.stringify(refused.body));
  disk.makeRoom();
  for (let from = committed + 1; from <= seq; from += 2) await device.events(large(from), large(from + 1));
  await device.next("ack", (message) => message.seq === seq + ((seq - committed) % 2));
  const view = await fleet.api<{ ackedSeq: number; lost: unknown[] }>("GET", "/v1/devices/dev");
  assert.equal(view.lost, []);
  assert.is((await fleet.raw("PUT", "/v1/devices/dev/desired", { apps: [] })).status, 200);
});

function acked(device: MqttDevice): number {
  return Math.max(0, ...device.of("ack").map(({ seq }) => Number(seq)));
}
