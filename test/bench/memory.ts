/** What a process tree really holds: /proc/PID/smaps_rollup, proc(5). */
import { readFileSync } from "node:fs";

export interface Memory {
  /** Bytes: each shared page divided by those who share it. */
  readonly pss: number;
  /** Bytes that would be free if the process ended. */
  readonly private: number;
  readonly rss: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { pss: kib("Pss"), private: kib("Private_Clean") + kib("Private_Dirty"), rss: kib("Rss") };
}

export function mib(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MB`;
}
