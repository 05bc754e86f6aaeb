/** What memory is in use, and what is to be given back before it is asked: /proc/PID/smaps_rollup, /proc/meminfo, proc(5). */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./stats.ts";

export interface Memory {
  /** Bytes: each shared page divided by those who share it. */
  readonly pss: number;
  /** Bytes that would be free if the process ended. */
  readonly private: number;
  readonly rss: number;
}

export const MIB = 1 << 20;

/** Throws ENOENT or ESRCH when the process is gone. */
export function memoryOf(pid: number): Memory {
  return parseRollup(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
}

export function parseRollup(text: string): Memory {
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { pss: kib("Pss"), private: kib("Private_Clean") + kib("Private_Dirty"), rss: kib("Rss") };
}

/** Sum of the processes that still live. */
export function memoryOfAll(pids: readonly number[]): Memory {
  const sum = { pss: 0, private: 0, rss: 0 };
  for (const pid of pids) {
    try {
      const one = memoryOf(pid);
      sum.pss += one.pss;
      sum.private += one.private;
      sum.rss += one.rss;
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}

/** Bytes that programs could still get, as the kernel estimates it: the page cache counts as free. */
export function memAvailable(): number {
  return Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? Number.NaN) * 1024;
}

/** The median of a few samples after a pause in which the kernel finishes what it put off. */
export async function settledAvailable(signal: AbortSignal): Promise<number> {
  await sleep(2000, undefined, { signal });
  const samples: number[] = [];
  for (let i = 0; i < 9; i++) {
    samples.push(memAvailable());
    await sleep(100, undefined, { signal });
  }
  return median(samples);
}

/**
 * Drops the page cache. Pages of directories that are gone hold the memory cgroups of sandboxes that are gone, and the kernel makes each
 * of those larger with every mount of the machine: what earlier parts have left would be counted as this one's.
 */
export function dropPageCache(): void {
  writeFileSync("/proc/sys/vm/drop_caches", "1");
}

/** Processes whose command line matches. */
export function processes(matches: (commandLine: string) => boolean): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return matches(readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim()) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** The processes and all that they or their children have started and not let go. */
export function withDescendants(pids: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const pid of processes(() => true)) {
    const parent = parentOf(pid);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = new Set(pids);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return [...found];
}

/** /proc/PID/stat field 4; 0 for a process that is gone. */
function parentOf(pid: number): number {
  try {
    return Number(/^.*\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** User and system time of a process in milliseconds: /proc/PID/stat fields 14 and 15, at 100 ticks a second. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
