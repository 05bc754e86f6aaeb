/** What each memory cgroup takes for the shrinkers of all file systems of the machine (mm/shrinker.c, shrinker_info_unit). */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";

/** Of the slab cache that a unit comes from, for 64 shrinkers. */
const UNIT = "kmalloc-1k";
/** Where a new group is one of the memory controller: on v1, and on v2 when that is handed down. */
const TREES = [
  { root: "/sys/fs/cgroup/memory", shows: "memory.limit_in_bytes" },
  { root: "/sys/fs/cgroup", shows: "memory.max" },
] as const;

/**
 * Bytes that a memory cgroup takes from its beginning. The kernel makes room for the most file systems that there have been at once since
 * the machine was started, and never less again: who has had thousands of sandboxes pays for them with each one that comes later.
 * Undefined where that can't be seen.
 */
export function shrinkerBytes(name: string): number | undefined {
  for (const { root, shows } of TREES) {
    const [before, group] = [inUse(), `${root}/${name}`];
    if (before === undefined || !existsSync(`${root}/cgroup.procs`)) continue;
    mkdirSync(group);
    try {
      if (existsSync(`${group}/${shows}`)) return Math.max(0, (inUse() ?? before) - before) * 1024;
    } finally {
      rmdirSync(group);
    }
  }
  return undefined;
}

function inUse(): number | undefined {
  if (!existsSync("/proc/slabinfo")) return undefined;
  const objects = new RegExp(`^${UNIT} +(\\d+)`, "m").exec(readFileSync("/proc/slabinfo", "utf8"))?.[1];
  return objects === undefined ? undefined : Number(objects);
}
