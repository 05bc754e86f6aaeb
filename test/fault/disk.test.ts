/** A device whose disk is full: the pull says so with its arithmetic, what runs goes on, nothing is lost, and with room it recovers by itself. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { AppWatch } from "#test/lib/app-watch.ts";
import { busyboxImage, busyboxImageFile } from "#test/lib/images.ts";
import { SmallDisk } from "#test/lib/small-disk.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/disk");
const MIB = 1024 * 1024;
/** The agent leaves 16 MiB of the disk alone when it pulls. */
const DISK_BYTES = 40 * MIB;

async function begin(t: TestContext): Promise<{ world: World; watch: AppWatch; disk: SmallDisk; app: App }> {
  const reason = World.unavailable();
  if (reason !== undefined) t.skip(reason);
  const world = new World({ agent: ["heartbeat = 1", "operation-timeout = 30"] });
  const disk = SmallDisk.mount(world.box.root, DISK_BYTES);
  t.cleanup(async () => {
    await world.endAgent();
    const ids = (await world.box.ok("ps", "-aq", "--no-trunc")).split("\n").filter((id) => id !== "");
    if (ids.length > 0) await world.box.lightv(["rm", "-f", ...ids]);
    disk.unmount();
    await world.close();
  });
  await world.start();
  const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
  await world.fleetOk("push", "base");
  const script = "i=0; while :; do i=$((i+1)); echo tick $i $LONG; /bin/sleep 0.1; done";
  const restart = { policy: "always", minDelayMs: 200, maxDelayMs: 1000 } as const;
  const app: App = {
    name: "app",
    image: { name: "base:latest", digest, size },
    command: ["/bin/sh", "-c", script],
    env: { LONG: "x".repeat(2000) },
    restart,
  };
  return { world, watch: new AppWatch(world), disk, app };
}

test(
  "a pull that does not fit says how much is missing, what runs goes on, and once there is room the new version comes",
  async (t) => {
    const { world, watch, disk, app } = await begin(t);
    const file = join(world.directory, "next.lv");
    const { digest, size } = await busyboxImageFile(file, { name: "next", files: { "/version": "2" } });
    await world.fleetOk("push", file);
    await world.desire([app]);
    const { pid } = await watch.reported("app", ({ phase }) => phase === "running");

    disk.fill(17 * MIB);
    const revision = await world.desire([{ ...app, image: { name: "next:latest", digest, size } }]);
    const full = await watch.reported("app", ({ reason }) => /LV_DISK_FULL/.test(reason));
    assert.match(full.reason, /LV_DISK_FULL: image sha256:\w+ needs \d+ bytes, and \S+ has \d+ left \(.+\)/);
    assert.equal([full.phase, full.pid], ["running", pid], "the version before goes on");

    disk.makeRoom();
    const next = await watch.reported("app", (report) => report.phase === "running" && report.revision === revision);
    assert.is(next.imageDigest, digest);
    assert.is((await world.view())?.reported?.lostEvents, 0);
  },
  { timeoutMs: 120_000 },
);

test(
  "a disk without a single free byte: apps keep their processes, the agent lives, and events and states come once there is room",
  async (t) => {
    const { world, watch, disk, app } = await begin(t);
    await world.desire([app]);
    const { pid, sandboxId } = await watch.reported("app", ({ phase }) => phase === "running");
    await watch.told("app.proved", "app");
    const agent = world.agent?.pid;
    disk.fill(0);
    const revision = await world.desire([app, { ...app, name: "second" }]);
    await until("the agent to say that it can't write", () => (/ENOSPC|full|no space/i.test(world.agentLog()) ? true : undefined));
    const waiting = await watch.reported("second", ({ phase }) => phase === "pending");
    assert.match(waiting.reason, new RegExp(`^revision ${revision} is not taken yet: LV_DISK_FULL: `), "the controller is told why");
    // Long enough for the log to meet the full disk, too.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.is((await watch.reported("app", () => true)).pid, pid, "the app keeps its process on the full disk");
    assert.is(world.agent?.exitCode, null, "the agent lives");

    disk.makeRoom();
    const second = await watch.reported("second", ({ phase }) => phase === "running", 90_000);
    assert.is(second.revision, revision);
    assert.is((await watch.reported("app", () => true)).pid, pid);
    assert.is(world.agent?.pid, agent);
    await watch.told("app.started", "second");
    const numbers = (await world.events()).map(({ seq }) => seq);
    assert.equal(
      numbers,
      numbers.map((_, at) => at + 1),
      "no event is lost or doubled",
    );
    const log = join(world.box.root, "sandboxes", sandboxId ?? "", "log", "log");
    await until("a line to be logged again", () => (/dropped/.test(readFileSync(log, "utf8")) ? true : undefined), 30_000);
    assert.match(readFileSync(log, "utf8"), /stderr F \[lightv\] \d+ log lines were dropped: the disk was full/);
  },
  { timeoutMs: 180_000 },
);
