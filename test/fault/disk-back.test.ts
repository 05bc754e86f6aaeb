/** A device whose disk goes back to what it was: a restored backup, or a root whose changes are thrown away at each boot. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/disk-back");

test(
  "an agent with an older state is online again by itself, and what it tells from then on arrives",
  async (t) => {
    const why = World.unavailable();
    if (why !== undefined) t.skip(why);
    const world = new World();
    t.cleanup(() => world.close());
    await world.start();
    const state = join(world.box.root, "agent");
    const backup = join(world.directory, "backup");
    const online = (wanted: boolean): Promise<true> =>
      until(
        `the device to be ${wanted ? "online" : "offline"}`,
        async () => ((await world.view())?.online === wanted ? true : undefined),
        30_000,
        () => world.agentLog(),
      );
    const starts = async (): Promise<number> => (await world.events()).filter(({ type }) => type === "agent.started").length;
    const allStarts = (count: number): Promise<true> =>
      until(
        `${count} starts to be told`,
        async () => ((await starts()) === count ? true : undefined),
        30_000,
        () => world.agentLog(),
      );

    await allStarts(1);
    await world.endAgent();
    cpSync(state, backup, { recursive: true });
    for (const count of [2, 3]) {
      await online(false);
      await world.startAgent();
      await online(true);
      await allStarts(count);
      await world.endAgent();
    }
    await online(false);
    rmSync(state, { recursive: true });
    cpSync(backup, state, { recursive: true });
    await world.startAgent();
    await online(true);
    await allStarts(4);
    const seqs = (await world.events()).map(({ seq }) => seq);
    assert.equal(
      seqs,
      [...new Set(seqs)].sort((a, b) => a - b),
    );
  },
  { timeoutMs: 180_000 },
);
