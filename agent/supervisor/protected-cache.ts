/**
 * Page cache that no shortage can take: what a `memory.min` of LightV's units covers (cgroup-v2.rst). The kernel counts it as available all
 * the same, so a device can be out of memory with some 30 MiB "available".
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** In bytes; 0 on cgroup v1, which protects nothing, and wherever the groups can't be read. */
export async function protectedCacheBytes(proc = "/proc", cgroups = "/sys/fs/cgroup"): Promise<number> {
  const own = /^0::(\/.+)$/m.exec(await readFile(join(proc, "self", "cgroup"), "utf8").catch(() => ""))?.[1];
  if (own === undefined) return 0;
  const slice = join(cgroups, dirname(own));
  const units = (await readdir(slice).catch(() => [])).filter((name) => name.endsWith(".service"));
  const kept = await Promise.all(units.map((unit) => keptOf(join(slice, unit)).catch(() => 0)));
  return kept.reduce((sum, bytes) => sum + bytes, 0);
}

async function keptOf(group: string): Promise<number> {
  const read = (file: string): Promise<string> => readFile(join(group, file), "utf8");
  const min = Number(await read("memory.min"));
  if (min === 0) return 0;
  const current = Number(await read("memory.current"));
  const cache = Number(/^file (\d+)$/m.exec(await read("memory.stat"))?.[1] ?? 0);
  // What the group has beyond its protection can be taken, and of its cache first.
  return Math.max(0, cache - Math.max(0, current - min));
}
