/** What each memory cgroup takes for the shrinkers of all file systems of the machine (mm/shrinker.c, shrinker_info_unit). */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";

/** Of the slab cache that a unit comes from, for 64 shrinkers. */
const UNIT = "kmalloc-1k";
const TREES = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];

/**
 * Bytes that a memory cgroup takes from its beginning. The kernel makes room for the most file systems that there have been at once since
 * the machine was started, and never less again: who has had thousands of sandboxes pays for them with each one that comes later.
 * Undefined where that can't be seen.
 */
export function shrinkerBytes(name: string): number | undefined {
  const tree = TREES.find((path) => existsSync(`${path}/cgroup.procs`));
  const before = inUse();
  if (tree === undefined || before === undefined) return undefined;
  mkdirSync(`${tree}/${name}`);
  try {
    return Math.max(0, (inUse() ?? before) - before) * 1024;
  } finally {
    rmdirSync(`${tree}/${name}`);
  }
}

function inUse(): number | undefined {
  const objects = new RegExp(`^${UNIT} +(\\d+)`, "m").exec(readFileSync("/proc/slabinfo", "utf8"))?.[1];
  return objects === undefined ? undefined : Number(objects);
}
