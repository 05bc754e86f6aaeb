/**
 * The bar: kill -9 of the agent and of monitors at random moments during 50 deploys. At the end the desired state is reached, no event is
 * lost or doubled at the controller, and no other sandbox was disturbed. (There is no lightv-runtime process yet to be killed.)
 */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { busyboxImage } from "#test/lib/images.ts";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("fault/kill-nine");
const DEPLOYS = Number(process.env.LIGHTV_KILL_DEPLOYS ?? 50);

/** A seeded generator (mulberry32), so that a failing run can be had again with LIGHTV_SEED. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Info {
  readonly State: { readonly Pid: number; readonly StartedAt: string; readonly Running: boolean };
  readonly RestartCount: number;
}

async function inspect(world: World, name: string): Promise<Info> {
  const [info] = JSON.parse(await world.box.ok("inspect", name)) as Info[];
  if (info === undefined) throw new Error(`no sandbox ${name}`);
  return info;
}

/** Monitors of this world's apps, but not the bystander's. */
async function appMonitors(world: World): Promise<number[]> {
  const rows = (await world.box.ok("ps", "-q", "--no-trunc", "--filter", "label=lightv.test=victim")).split("\n").filter((id) => id !== "");
  const pids: number[] = [];
  for (const id of rows) {
    try {
      const state = JSON.parse(readFileSync(`${world.box.runRoot}/sandboxes/${id}/state.json`, "utf8")) as { monitorPid?: number };
      if (state.monitorPid !== undefined) pids.push(state.monitorPid);
    } catch {
      // It ended between the listing and the look.
    }
  }
  return pids;
}

/** Every sandbox of ours must be told apart from another's processes before it is killed. */
function isMonitor(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("lightv-monitor");
  } catch {
    return false;
  }
}

test(
  `${DEPLOYS} deploys under kill -9 of agent and monitors end in the desired state, no event lost or doubled, the bystander undisturbed`,
  async (t) => {
    const reason = World.unavailable();
    if (reason !== undefined) t.skip(reason);
    const seed = Number(process.env.LIGHTV_SEED ?? Date.now() % 1_000_000);
    console.log(`seed ${seed}`);
    const next = random(seed);
    const world = new World({ device: "victim" });
    t.cleanup(() => world.close());
    await world.start();

    const images = await Promise.all(
      ["one", "two"].map(async (name) => {
        const { digest, size } = await busyboxImage(world.box.root, {
          name,
          cmd: ["/bin/busybox", "sleep", "100000"],
          files: { "/version": name },
        });
        await world.fleetOk("push", name);
        return { name: `${name}:latest`, digest, size };
      }),
    );
    const script = "i=0; while :; do i=$((i+1)); echo tick $i; /bin/busybox sleep 0.2; done";
    await busyboxImage(world.box.root, { name: "bystander", cmd: ["/bin/busybox", "sh", "-c", script] });
    await world.box.ok("run", "-d", "--name", "bystander", "bystander");
    const bystander = await inspect(world, "bystander");

    const app = (n: number): App => ({
      name: "victim",
      image: images[n % 2] as App["image"],
      env: { N: String(n) },
      labels: { "lightv.test": "victim" },
      stopTimeoutMs: 500,
      restart: { policy: "always", minDelayMs: 100, maxDelayMs: 1000 },
    });
    let revision = 0;
    let kills = 0;
    for (let n = 1; n <= DEPLOYS; n++) {
      revision = await world.desire([app(n)]);
      await sleep(next() * 1200);
      if (next() < 0.5) {
        await world.endAgent("SIGKILL");
        kills += 1;
        await sleep(next() * 300);
        await world.startAgent();
      } else {
        for (const pid of await appMonitors(world)) {
          if (!isMonitor(pid)) continue;
          process.kill(pid, "SIGKILL");
          kills += 1;
        }
      }
      await sleep(next() * 500);
    }
    console.log(`${kills} processes killed in ${DEPLOYS} deploys`);
    assert.ok(kills > DEPLOYS / 4, `only ${kills} kills`);

    const last = images[DEPLOYS % 2];
    await until(
      "the last desired state",
      async () => {
        const view = await world.view();
        const report = view?.reported?.apps.find(({ name }) => name === "victim");
        const reached = view?.reported?.desiredRevision === revision && report?.revision === revision;
        return reached && report.phase === "running" && report.imageDigest === last?.digest ? true : undefined;
      },
      90_000,
      () => world.agentLog(),
    );
    const running = await world.box.ok("ps", "-q", "--filter", "label=lightv.test=victim");
    assert.is(running.split("\n").filter((id) => id !== "").length, 1, `exactly one sandbox of the app runs, not: ${running}`);

    const after = await inspect(world, "bystander");
    assert.equal([after.State.Pid, after.State.StartedAt, after.RestartCount], [bystander.State.Pid, bystander.State.StartedAt, 0]);
    const ticks = (await world.box.ok("logs", "bystander")).split("\n").map((line) => Number(line.replace("tick ", "")));
    assert.equal(
      ticks,
      ticks.map((_, i) => (ticks[0] ?? 0) + i),
      "the bystander's log has no gap",
    );

    await sleep(2500);
    const sequence = (await world.events()).map(({ seq }) => seq);
    assert.equal(
      sequence,
      sequence.map((_, i) => i + 1),
      "the controller has every event once",
    );
    assert.is((await world.view())?.reported?.lostEvents, 0);
  },
  { timeoutMs: 600_000 },
);
