/** What an app's budget refuses on a real device reaches the controller as events, each kind with its numbers; and the apps go on. */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { AppWatch } from "#test/lib/app-watch.ts";
import { busyboxImage } from "#test/lib/images.ts";
import { SmallExt4 } from "#test/lib/small-ext4.ts";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/limits");
const sources = join(dirname(fileURLToPath(import.meta.url)), "hog");
const MIB = 1024 * 1024;
/** Deployed by `lightv fleet deploy`, so that its flags are shown to arrive. */
const APPS = [
  { limit: "log", args: ["log"], flags: ["--log-opt", "max-rate=4k", "--log-opt", "max-burst=64k"], number: "droppedLines" },
  { limit: "disk", args: ["disk", "/"], flags: ["--storage-opt", "size=16m"], number: "usedBytes" },
  { limit: "pids", args: ["processes"], flags: ["--pids-limit", "16"], number: "refused" },
  { limit: "memory", args: ["memory"], flags: ["-m", "16m"], number: "killed" },
] as const;

test(
  "log, disk, pids and memory: each refusal is an event of its app",
  async (t) => {
    const reason = World.unavailable();
    if (reason !== undefined) return t.skip(reason);
    const world = new World();
    const disk = SmallExt4.mount(world.directory, world.box.root, 160 * MIB);
    t.cleanup(async () => {
      await world.endAgent();
      const ids = (await world.box.ok("ps", "-aq", "--no-trunc")).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await world.box.lightv(["rm", "-f", ...ids]);
      disk.unmount();
      await world.close();
    });
    await world.start();
    const program = join(world.box.directory, "hog");
    execFileSync("g++", [
      "-std=c++20",
      "-O1",
      "-static",
      "-s",
      "-o",
      program,
      ...globSync("*.cpp", { cwd: sources }).map((file) => join(sources, file)),
    ]);
    await busyboxImage(world.box.root, { name: "hog", files: { "/bin/hog": readFileSync(program) } });
    await world.fleetOk("push", "hog");
    for (const { limit, args, flags } of APPS) {
      const env = ["-e", "HOG_TALLY=/dev/shm/tally", "--cpus", "0.2"];
      await world.fleetOk("deploy", world.device, limit, "--image", "hog", ...env, ...flags, "--", "/bin/hog", ...args);
    }
    const watch = new AppWatch(world);
    const pids = new Map<string, number | undefined>();
    for (const { limit } of APPS) pids.set(limit, (await watch.reported(limit, ({ phase }) => phase === "running")).pid);
    for (const { limit, number } of APPS) {
      const told = async () =>
        (await world.events()).find((event) => event.type === "app.limited" && event.app === limit && event.data.limit === limit);
      const event = await until(`an event about ${limit}`, told, 60_000, () => world.agentLog());
      assert.ok(Number(event.data[number]) > 0, JSON.stringify(event));
    }
    for (const { limit } of APPS) assert.is((await world.appReport(limit))?.pid, pids.get(limit), `${limit} goes on`);
  },
  { timeoutMs: 150_000 },
);
