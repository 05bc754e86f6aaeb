/** A memory cgroup around one process, on cgroup v1, hybrid or v2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface MemoryGroup {
  /** Put before a command: it runs in the group from its first instruction on. */
  readonly prefix: readonly string[];
  /** The most bytes that were charged at once. */
  readonly peak: () => number;
  readonly oomKills: () => number;
  /** Bytes of anonymous memory that are charged now, also of processes that have moved elsewhere since. */
  readonly anonymous: () => number;
  readonly close: () => void;
}

/** `name` below the root of the memory controller. Throws where there is none. */
export function memoryGroup(name: string, bytes: number): MemoryGroup {
  const v1 = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  const path = join(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup", name);
  if (!v1) writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
  mkdirSync(path);
  writeFileSync(join(path, v1 ? "memory.limit_in_bytes" : "memory.max"), String(bytes));
  const read = (file: string): string => (existsSync(join(path, file)) ? readFileSync(join(path, file), "utf8") : "");
  return {
    prefix: ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', path],
    peak: () => Number.parseInt(read(v1 ? "memory.max_usage_in_bytes" : "memory.peak"), 10),
    oomKills: () => Number(/^oom_kill (\d+)/m.exec(read(v1 ? "memory.oom_control" : "memory.events"))?.[1] ?? Number.NaN),
    anonymous: () => Number((v1 ? /^rss (\d+)/m : /^anon (\d+)/m).exec(read("memory.stat"))?.[1] ?? Number.NaN),
    close: () => rmdirSync(path),
  };
}
