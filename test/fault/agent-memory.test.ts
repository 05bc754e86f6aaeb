/** An agent in a small memory cgroup: what its sandboxes use is theirs, however many it starts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { DIST } from "#test/lib/command.ts";
import { busyboxImage } from "#test/lib/images.ts";
import { memoryGroup } from "#test/lib/memory-group.ts";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/agent-memory");
const MIB = 1024 * 1024;
const APPS = 40;
/** A monitor that joined its own group behind its execve left 120 kB of user pages with the agent. */
const LEAST_OF_OLD = 120_000;

/**
 * Reads the agent's program from outside its group, which is not charged for it then: where the disk's read-ahead is megabytes, a
 * group of 32 MiB that reads Node itself does nothing else.
 */
function warm(): void {
  for (const entry of readdirSync(join(DIST, "lib"), { recursive: true, withFileTypes: true }))
    if (entry.isFile()) readFileSync(join(entry.parentPath, entry.name));
}

test(
  "forty apps from nothing by an agent in 32 MiB: it lives, and none of their memory is charged to it",
  async (t) => {
    const reason = World.unavailable();
    if (reason !== undefined) return t.skip(reason);
    const group = memoryGroup(`lightv-test-${process.pid}-agent`, 32 * MIB);
    t.cleanup(() => group.close());
    warm();
    const world = new World({ agentPrefix: group.prefix });
    t.cleanup(() => world.close());
    await world.start();
    const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
    await world.fleetOk("push", "base");
    const app = (name: string): App => ({ name, image: { name: "base:latest", digest, size }, command: ["/bin/sleep", "100000"] });
    await world.desire(Array.from({ length: APPS }, (_, i) => app(`app-${i}`)));
    const running = async (): Promise<true | undefined> => {
      const apps = (await world.view())?.reported?.apps ?? [];
      return apps.filter(({ phase, restarts }) => phase === "running" && restarts === 0).length === APPS ? true : undefined;
    };
    await until(`${APPS} apps to run`, running, 120_000, () => world.agentLog());
    assert.is(group.oomKills(), 0);
    await world.endAgent();
    assert.is((await world.box.ok("ps", "-q")).split("\n").length, APPS, "the apps go on");
    const left = group.anonymous();
    assert.ok(left < (APPS * LEAST_OF_OLD) / 4, `${left} bytes are left with the agent's group`);
  },
  { timeoutMs: 180_000 },
);
