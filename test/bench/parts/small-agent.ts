/** The agent with a hundred sandboxes in 32 MB. */
import { basename } from "node:path";
import { memoryGroup } from "#test/lib/memory-group.ts";
import { known, megabytes, number } from "../measure/format.ts";
import { MIB, memoryOf } from "../measure/memory.ts";
import { median } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";
import { pause, Site } from "./agent/site.ts";

const LIMIT = 32 * MIB;
const EVERY_MS = 5000;

/** By how much the latest heartbeat was late, in milliseconds; the time since the last one counts too. */
export function latest(beats: readonly number[], until: number, every = EVERY_MS): number {
  const times = [...beats, until];
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? at));
  return Math.max(0, ...gaps.map((gap) => gap - every));
}

async function run({ arena, quick, say, signal }: PartContext): Promise<Measured> {
  const group = memoryGroup(`${basename(arena.directory)}-agent`, LIMIT);
  arena.undo.add("the agent's cgroup", () => group.close());
  const apps = quick ? 10 : 100;
  const seconds = quick ? 20 : 600;
  say(`starting ${apps} apps by an agent in ${LIMIT / MIB} MiB`);
  const site = await Site.open(arena, { agent: [`heartbeat = ${EVERY_MS / 1000}`], agentPrefix: group.prefix });
  try {
    const pid = site.agentPid;
    const beats: number[] = [];
    await site.have(site.idleApps(apps), signal);
    site.broker.onMessage = (channel, at) => {
      if (channel === "metric") beats.push(Number(at) / 1e6);
    };
    const samples: number[] = [];
    for (let i = 0; i < seconds / 5; i++) {
      await pause(5000, signal);
      samples.push(memoryOf(pid).private);
      if (i % 12 === 0) say(`${i * 5} of ${seconds} s`);
    }
    const late = latest(beats, Number(process.hrtime.bigint()) / 1e6);
    const lived = site.world.agent?.exitCode === null && site.world.agent.signalCode === null && site.agentPid === pid;
    const still = (await site.world.view())?.reported?.apps.filter(({ phase, restarts }) => phase === "running" && restarts === 0).length;
    return {
      about: `The agent in a memory cgroup of ${LIMIT / MIB} MiB from its first instruction on, page cache and kernel memory with it, ${apps} idle apps, heartbeat with the usage of each app every ${EVERY_MS / 1000} s, for ${seconds} s.`,
      tables: [
        {
          rows: [
            ["", ""],
            ["OOM kills", String(group.oomKills())],
            ["the same process all the time", lived ? "yes" : "no"],
            ["apps running, never restarted", String(still ?? "-")],
            ["heartbeats", String(beats.length)],
            ["latest heartbeat, ms late", number(late)],
            ["most memory charged, MB", megabytes(group.peak())],
            ["private memory, median, MB", megabytes(median(samples))],
          ],
        },
      ],
      figures: known({ oomKills: group.oomKills(), restarts: lived ? 0 : 1, latestMs: beats.length > 0 ? late : undefined, seconds, apps }),
    };
  } finally {
    await site.close();
  }
}

export const smallAgent: Part = { name: "small-agent", title: "The agent in 32 MB", long: true, run };
