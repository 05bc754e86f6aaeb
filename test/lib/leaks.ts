/** What sandboxes may leave behind on a machine, counted from the kernel's own lists. Machine-wide: run such tests alone. */
import { type Dirent, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "#agent/lib/errors.ts";

export interface Census {
  readonly mounts: number;
  readonly cgroups: number;
  readonly namespaces: number;
  /** Processes of ours: monitors, PID 1s, and whatever runs in a sandbox's cgroup. */
  readonly processes: number;
  readonly loopDevices: number;
  readonly links: number;
}

const CGROUP_ROOT = "/sys/fs/cgroup";

export function census(): Census {
  return {
    mounts: readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n").length,
    cgroups: cgroupDirectories().length,
    namespaces: namespaces().size,
    processes: ourProcesses().length,
    loopDevices: loopDevices().length,
    links: existsSync("/sys/class/net") ? readdirSync("/sys/class/net").length : 0,
  };
}

/** Directories below a `lightv` or test parent in any hierarchy; the parents themselves may stay. */
export function cgroupDirectories(): string[] {
  const found: string[] = [];
  const walk = (directory: string, depth: number): void => {
    for (const entry of entriesOf(directory)) {
      if (!entry.isDirectory()) continue;
      const path = join(directory, entry.name);
      if (depth > 1 || path.includes("/lightv/")) found.push(path);
      if (depth < 4) walk(path, depth + 1);
    }
  };
  for (const hierarchy of readdirSync(CGROUP_ROOT, { withFileTypes: true })) {
    const path = join(CGROUP_ROOT, hierarchy.name, "lightv");
    if (existsSync(path)) walk(path, 2);
  }
  if (existsSync(join(CGROUP_ROOT, "lightv"))) walk(join(CGROUP_ROOT, "lightv"), 2);
  return found.filter((path) => !path.endsWith("/monitors"));
}

/** None where the directory went meanwhile: what is counted is being taken down while it is looked at. */
function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Every namespace that a living process is in. */
function namespaces(): Set<string> {
  const found = new Set<string>();
  for (const pid of pids()) {
    for (const kind of ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"]) {
      try {
        found.add(readlinkSync(`/proc/${pid}/ns/${kind}`));
      } catch {
        // It ended meanwhile, or is a kernel thread without it.
      }
    }
  }
  return found;
}

export function ourProcesses(): number[] {
  return pids().filter((pid) => {
    try {
      return /^lightv/.test(readFileSync(`/proc/${pid}/comm`, "utf8")) && !isZombie(pid);
    } catch {
      return false;
    }
  });
}

function isZombie(pid: number): boolean {
  return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** Loop devices with a file behind them. */
function loopDevices(): string[] {
  return readdirSync("/sys/block").filter((name) => name.startsWith("loop") && existsSync(`/sys/block/${name}/loop/backing_file`));
}

/** Open descriptors of a process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** What there is more of than before, as "mounts: 20 before, 22 after". Less is others' doing. */
export function leftBehind(before: Census, after: Census): string[] {
  const keys = Object.keys(before) as (keyof Census)[];
  return keys.filter((key) => after[key] > before[key]).map((key) => `${key}: ${before[key]} before, ${after[key]} after`);
}

/** Waits until nothing more is left than before: teardown goes on for a moment after the answer. Gives what still is. */
export async function settled(before: Census, timeoutMs = 20_000): Promise<string[]> {
  const end = performance.now() + timeoutMs;
  let left = leftBehind(before, census());
  while (left.length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    left = leftBehind(before, census());
  }
  return left;
}
