/** What is used now: of the device, of the agent, of each app. Lost when there is no connection, which its number shows. */
import { readFile, statfs } from "node:fs/promises";
import type { Clock } from "#agent/lib/clock.ts";
import { messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import { parseMeminfo } from "#agent/lib/meminfo.ts";
import type { SandboxStats } from "#agent/sandbox/types.ts";
import type { Metric } from "#agent/wire/protocol/metric.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
  /** Whose file system is told. */
  readonly root: string;
  readonly apps: () => AppReport[];
  readonly stats: (sandboxId: string) => Promise<SandboxStats>;
  readonly outboxEvents: () => number;
  readonly send: (message: Metric) => Promise<void>;
}

export class Heartbeat {
  private readonly options: HeartbeatOptions;
  private n = 0;

  constructor(options: HeartbeatOptions) {
    this.options = options;
  }

  /** For one connection, until its signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, intervalMs, send } = this.options;
    while (!signal.aborted) {
      await this.measure()
        .then(send)
        .catch((error: unknown) => log.debug(`no heartbeat: ${messageOf(error)}`));
      await clock.sleep(intervalMs, signal).catch(() => undefined);
    }
  }

  async measure(): Promise<Metric> {
    const { clock, root, outboxEvents } = this.options;
    this.n = Math.max(this.n + 1, clock.uptimeMs());
    const { rss, heapUsed } = process.memoryUsage();
    return {
      bootId: clock.bootId(),
      n: this.n,
      at: clock.wall(),
      uptimeMs: clock.uptimeMs(),
      device: await deviceUsage(root),
      agent: { rssBytes: rss, heapUsedBytes: heapUsed, outboxEvents: outboxEvents() },
      apps: await this.apps(),
    };
  }

  private async apps(): Promise<Metric["apps"]> {
    const apps: Metric["apps"] = [];
    for (const { name, sandboxId, pid } of this.options.apps()) {
      if (sandboxId === undefined || pid === undefined) continue;
      // It may have ended since.
      const stats = await this.options.stats(sandboxId).catch(() => undefined);
      if (stats !== undefined) apps.push(appUsage(name, stats));
    }
    return apps;
  }
}

const COUNTERS = ["memoryBytes", "memoryLimitBytes", "cpuUsageUs", "throttledUs", "pids", "ioReadBytes", "ioWriteBytes"] as const;

function appUsage(name: string, stats: SandboxStats): Metric["apps"][number] {
  const usage: Metric["apps"][number] = { name, oomKills: stats.oomKills ?? 0 };
  for (const key of COUNTERS) {
    const value = stats[key];
    if (typeof value === "number" && Number.isSafeInteger(value)) usage[key] = value;
  }
  return usage;
}

/** USER_HZ, which is 100 on every Linux that Node runs on (proc(5), /proc/stat). */
const TICK_MS = 10;

async function deviceUsage(root: string): Promise<Metric["device"]> {
  const memory = parseMeminfo(await readFile("/proc/meminfo", "utf8"));
  const disk = await statfs(root);
  const load1 = Number((await readFile("/proc/loadavg", "utf8")).split(" ")[0]);
  return {
    ...memory,
    diskTotalBytes: disk.blocks * disk.bsize,
    diskFreeBytes: disk.bavail * disk.bsize,
    load1: Number.isFinite(load1) ? load1 : 0,
    cpuUsedMs: parseCpu(await readFile("/proc/stat", "utf8")),
  };
}

/** Milliseconds that all CPUs together were not idle since boot. */
export function parseCpu(text: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu\s+(.*)$/m.exec(text)?.[1] ?? "").split(" ").map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}
