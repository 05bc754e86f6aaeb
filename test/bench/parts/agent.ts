/** The agent: from a desired state to the running process, and what it uses while nothing happens. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "#test/lib/world.ts";
import { known, megabytes, number } from "../measure/format.ts";
import { cpuMs, type Memory, memoryOf } from "../measure/memory.ts";
import { median, summarize } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";
import { pause, Site } from "./agent/site.ts";

interface Idle {
  readonly apps: number;
  readonly memory: Memory;
  readonly cpuMsPerMinute: number;
}

/** Medians of samples every 3 s, because the agent gives pages back every 5 s. */
async function idle(site: Site, apps: number, seconds: number, signal: AbortSignal): Promise<Idle> {
  await pause(10_000, signal);
  const before = cpuMs(site.agentPid);
  const samples: Memory[] = [];
  for (let i = 0; i < Math.ceil(seconds / 3); i++) {
    await pause(3000, signal);
    samples.push(memoryOf(site.agentPid));
  }
  const of = (key: keyof Memory): number => median(samples.map((sample) => sample[key]));
  const used = cpuMs(site.agentPid) - before;
  return { apps, memory: { private: of("private"), pss: of("pss"), rss: of("rss") }, cpuMsPerMinute: (used / (samples.length * 3)) * 60 };
}

interface Latency {
  /** Milliseconds from the message at the broker, and from the request to the controller, to the first instruction of the program's main(). */
  readonly fromMqtt: number[];
  readonly fromRequest: number[];
}

async function latency(site: Site, directory: string, runs: number, signal: AbortSignal): Promise<Latency> {
  const result: Latency = { fromMqtt: [], fromRequest: [] };
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "began");
  for (let i = 0; i < runs; i++) {
    signal.throwIfAborted();
    rmSync(file, { force: true });
    let arrived: bigint | undefined;
    site.broker.onMessage = (channel, at) => {
      if (channel === "desired") arrived ??= at;
    };
    const app = site.app(`probe-${i}`, { command: ["/idle", "/bench/began"], mounts: [{ source: directory, target: "/bench" }] });
    const asked = process.hrtime.bigint();
    await site.world.desire([site.app("first"), app]);
    const began = await until("the program to run", () =>
      existsSync(file) && readFileSync(file, "utf8").endsWith("\n") ? BigInt(readFileSync(file, "utf8").trim()) : undefined,
    );
    if (arrived === undefined) throw new Error("the program runs, but no desired state went by");
    result.fromMqtt.push(Number(began - arrived) / 1e6);
    result.fromRequest.push(Number(began - asked) / 1e6);
    await site.have([site.app("first")], signal);
  }
  site.broker.onMessage = () => undefined;
  return result;
}

async function run({ arena, quick, say, signal }: PartContext): Promise<Measured> {
  say("starting controller and agent");
  const site = await Site.open(arena, { agent: ["heartbeat = 30"] });
  try {
    const runs = quick ? 3 : 20;
    say(`${runs} apps, one after the other`);
    const { fromMqtt, fromRequest } = await latency(site, join(arena.directory, "probe"), runs, signal);
    const seconds = quick ? 6 : 40;
    const levels: Idle[] = [];
    for (const apps of quick ? [1, 10] : [1, 10, 100]) {
      say(`idle with ${apps} apps for ${seconds} s`);
      await site.have(site.idleApps(apps), signal);
      levels.push(await idle(site, apps, seconds, signal));
    }
    const level = (apps: number): Idle | undefined => levels.find((one) => one.apps === apps);
    const row = (name: string, samples: readonly number[]): string[] => {
      const time = summarize(samples);
      return [name, number(time.min), number(time.median), number(time.p90)];
    };
    return {
      about: `Controller and agent as installed, each from a copy of its own of Node and of all programs, so that they share no page. The time is from the \`desired\` message at the broker, and from
the request to the controller, to the program's own first look at the clock; its image is on the device already, it has a bind mount, default isolation, and the agent has stored the new state. ${site.hot ? "`lightv runtime` was running." : "There is no hot path yet."}
Memory: median of samples every 3 s, heartbeat every 30 s, no TLS.`,
      tables: [
        {
          rows: [
            ["to the running process, ms", "min", "median", "p90"],
            row("from the MQTT message", fromMqtt),
            row("from the HTTP request", fromRequest),
          ],
        },
        {
          rows: [
            ["agent, idle", "private, MB", "PSS, MB", "RSS, MB", "CPU, ms a minute"],
            ...levels.map(({ apps, memory, cpuMsPerMinute }) => [
              `${apps} ${apps === 1 ? "app" : "apps"}`,
              megabytes(memory.private),
              megabytes(memory.pss),
              megabytes(memory.rss),
              number(cpuMsPerMinute),
            ]),
          ],
        },
      ],
      figures: known({
        mqttMs: median(fromMqtt),
        private1Mb: (level(1)?.memory.private ?? Number.NaN) / 1e6,
        private10Mb: (level(10)?.memory.private ?? Number.NaN) / 1e6,
        private100Mb: (level(100)?.memory.private ?? Number.NaN) / 1e6,
        cpuMsPerMinute: level(10)?.cpuMsPerMinute,
      }),
    };
  } finally {
    await site.close();
  }
}

export const agent: Part = { name: "agent", title: "The agent", run };
