/** The hogs of test/fault/hogs.test.ts: what each takes, the budget that holds it, and where a looker sees that it does. */
import type { SandboxStats } from "#agent/sandbox/types.ts";
import type { SmallExt4 } from "#test/lib/small-ext4.ts";

const MIB = 1024 * 1024;

export interface Tally {
  /** The most that it had at once, all that it ever got, and how often it was refused. */
  readonly got: number;
  readonly total: number;
  readonly refused: number;
}

export interface Seen {
  readonly tally: Tally;
  readonly stats: SandboxStats;
  /** `State` of `lightv inspect`. */
  readonly state: Readonly<Record<string, unknown>>;
  /** How long it has run, without the times when it stood still. */
  readonly seconds: number;
  readonly wallSeconds: number;
  readonly logBytes: number;
}

export interface Hog {
  readonly name: string;
  readonly args: readonly string[];
  readonly budget: (disk: SmallExt4) => readonly string[];
  /** More of the same, to see that the budget was what held it. */
  readonly more: (disk: SmallExt4) => readonly string[];
  /** What it took, in the budget's unit. */
  readonly took: (seen: Seen) => number;
  readonly most: number;
  readonly unit: string;
  /** Where a looker sees that it was held. */
  readonly told: (seen: Seen) => boolean;
  /** How much slower the neighbour may get. */
  readonly times?: number;
}

const limited = (size: string): string[] => ["--storage-opt", `size=${size}`];

export const HOGS: readonly Hog[] = [
  {
    name: "a fork bomb",
    args: ["processes"],
    budget: () => ["--pids-limit", "64", "--cpus", "0.5"],
    more: () => ["--pids-limit", "256", "--cpus", "0.5"],
    took: ({ stats }) => stats.pids ?? 0,
    most: 64,
    unit: "processes",
    told: ({ stats }) => (stats.pidsRefused ?? 0) > 0,
  },
  {
    name: "a memory hog",
    args: ["memory"],
    budget: () => ["-m", "32m", "--memory-swap", "32m", "--cpus", "0.5"],
    more: () => ["-m", "128m", "--memory-swap", "128m", "--cpus", "0.5"],
    took: ({ tally }) => tally.got,
    most: 32 * MIB,
    unit: "bytes",
    told: ({ stats }) => (stats.oomKills ?? 0) > 0,
  },
  {
    name: "a tmpfs hog without a size for it",
    args: ["tmpfs", "/scratch"],
    budget: () => ["-m", "32m", "--memory-swap", "32m", "--tmpfs", "/scratch", "--cpus", "0.5"],
    more: () => ["-m", "128m", "--memory-swap", "128m", "--tmpfs", "/scratch", "--cpus", "0.5"],
    took: ({ tally }) => tally.got,
    most: 16 * MIB,
    unit: "bytes",
    // It ends in ENOSPC, which it can act on, and not in a kill that would free nothing.
    told: ({ tally, stats }) => tally.refused > 0 && stats.oomKills === 0,
  },
  {
    name: "a page-cache hog",
    args: ["page-cache", "/"],
    budget: () => ["-m", "24m", "--memory-swap", "24m", "--cpus", "0.5"],
    more: () => ["-m", "96m", "--memory-swap", "96m", "--cpus", "0.5"],
    took: ({ stats }) => stats.memoryPeakBytes ?? 0,
    most: 24 * MIB,
    unit: "bytes",
    told: ({ tally }) => tally.total > 96 * MIB,
  },
  {
    name: "a disk filler",
    args: ["disk", "/"],
    budget: () => [...limited("24m"), "--cpus", "0.5"],
    more: () => [...limited("96m"), "--cpus", "0.5"],
    took: ({ tally }) => tally.got,
    most: 24 * MIB,
    unit: "bytes",
    told: ({ stats, tally }) => tally.refused > 0 && (stats.layerUsedBytes ?? 0) > 0.8 * (stats.layerLimitBytes ?? Infinity),
  },
  {
    name: "an inode filler",
    args: ["inodes", "/"],
    budget: () => [...limited("16m"), "--cpus", "0.5"],
    more: () => [...limited("64m"), "--cpus", "0.5"],
    took: ({ tally }) => tally.got,
    most: (16 * MIB) / 8192,
    unit: "files",
    told: ({ stats, tally }) => tally.refused > 0 && stats.layerFreeInodes === 0,
  },
  {
    name: "a log flooder",
    args: ["log"],
    budget: () => ["--log-opt", "max-rate=64k", "--log-opt", "max-burst=256k", "--log-opt", "max-size=8m", "--cpus", "0.5"],
    more: () => ["--log-opt", "max-rate=1m", "--log-opt", "max-burst=4m", "--log-opt", "max-size=8m", "--cpus", "0.5"],
    took: ({ wallSeconds, logBytes }) => (logBytes - 256 * 1024) / wallSeconds,
    // What a line's time and stream take, and the lines that tell.
    most: 64 * 1024 * 1.1,
    unit: "bytes a second",
    told: ({ stats, state }) => (stats.logDroppedLines ?? 0) > 1000 && Number(state.LogDroppedLines) > 1000,
  },
  {
    name: "a descriptor hog",
    args: ["descriptors"],
    budget: () => ["--ulimit", "nofile=256", "--cpus", "0.5"],
    more: () => ["--ulimit", "nofile=1024", "--cpus", "0.5"],
    took: ({ tally }) => tally.got,
    most: 256,
    unit: "descriptors",
    told: ({ tally }) => tally.refused > 0,
  },
  {
    name: "a CPU spinner of eight processes",
    args: ["processor"],
    budget: () => ["--cpus", "0.4"],
    more: () => ["--cpus", "1.6"],
    took: ({ stats, seconds }) => (stats.cpuUsageUs ?? 0) / 1e6 / seconds,
    // Two periods of 100 ms at the edges, and what bandwidth slices overrun.
    most: 0.4 * 1.25,
    unit: "processors",
    told: ({ stats }) => (stats.throttledUs ?? 0) > 0,
  },
  {
    name: "an fsync storm",
    args: ["syncs", "/"],
    budget: (disk) => ["--device-write-iops", `${disk.device}:100`, "--cpus", "0.5"],
    more: (disk) => ["--device-write-iops", `${disk.device}:1000`, "--cpus", "0.5"],
    took: ({ tally, seconds }) => tally.total / seconds,
    most: 110,
    unit: "syncs a second",
    told: ({ stats }) => (stats.ioWriteBytes ?? 0) > 0,
    times: 3,
  },
];
