/** What LightV costs a device: private and proportional memory of each of its processes, from /proc/PID/smaps_rollup. */
import type { Machine } from "./machine.ts";

export interface ProcessMemory {
  readonly pid: number;
  readonly name: string;
  /** KiB. */
  readonly pss: number;
  readonly privateKib: number;
}

/** Names by which LightV's processes show themselves; the workloads' own processes are not LightV's. */
const OURS = /^(lightv-monitor|lightv-init|lightvd|\/usr\/bin\/lightv|lightv)\b|\/lightv\/node\b/;

const SCRIPT = `
for d in /proc/[0-9]*; do
  name=$(tr '\\0' ' ' <$d/cmdline 2>/dev/null) || continue
  [ -n "$name" ] || continue
  awk -v pid="\${d#/proc/}" -v name="$name" '
    /^Pss:/ { pss = $2 } /^Private_(Clean|Dirty):/ { private += $2 }
    END { if (pss != "") print pid, pss, private, name }' $d/smaps_rollup 2>/dev/null
done
true`;

/** All processes of LightV, by name. */
export async function lightvMemory(machine: Machine): Promise<ProcessMemory[]> {
  const lines = (await machine.ok(SCRIPT)).split("\n").filter((line) => line !== "");
  return lines
    .map((line) => {
      const [pid, pss, privateKib, ...name] = line.split(" ");
      return { pid: Number(pid), pss: Number(pss), privateKib: Number(privateKib), name: name.join(" ").trim() };
    })
    .filter(({ name }) => OURS.test(name))
    .sort((a, b) => a.name.localeCompare(b.name));
}

export const total = (processes: readonly ProcessMemory[], pick: (one: ProcessMemory) => number): number =>
  processes.reduce((sum, one) => sum + pick(one), 0);

export const mib = (kib: number): string => (kib / 1024).toFixed(1);
