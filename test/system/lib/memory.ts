/**
 * What LightV costs a device, from /proc/PID/smaps_rollup. Private memory is counted in two parts: dirty (heaps, stacks, changed data),
 * which nobody else can have, and clean: pages of program files that only this process maps now. The kernel takes clean ones away
 * whenever it wants memory and reads them again from the file, so that how many there are says how much memory was free.
 */
import type { Machine } from "./machine.ts";

export interface ProcessMemory {
  readonly pid: number;
  readonly name: string;
  /** All in KiB. */
  readonly pss: number;
  readonly dirty: number;
  readonly clean: number;
}

/** Names by which LightV's processes show themselves; the workloads' own processes are not LightV's. */
const OURS = /^(lightv-monitor|lightv-init|lightvd|\/usr\/bin\/lightv|lightv)\b|\/lightv\/node\b/;

const SCRIPT = `
for d in /proc/[0-9]*; do
  name=$(tr '\\0' ' ' <$d/cmdline 2>/dev/null) || continue
  [ -n "$name" ] || continue
  awk -v pid="\${d#/proc/}" -v name="$name" '
    /^Pss:/ { pss = $2 } /^Private_Clean:/ { clean = $2 } /^Private_Dirty:/ { dirty = $2 }
    END { if (pss != "") print pid, pss, dirty, clean, name }' $d/smaps_rollup 2>/dev/null
done
true`;

/** All processes of LightV, by name. */
export async function lightvMemory(machine: Machine): Promise<ProcessMemory[]> {
  const lines = (await machine.ok(SCRIPT)).split("\n").filter((line) => line !== "");
  return lines
    .map((line) => {
      const [pid, pss, dirty, clean, ...words] = line.split(" ");
      const name = words
        .join(" ")
        .trim()
        .replace(/^\S*lib\/lightv\/node\b.*/, "lightvd");
      return { pid: Number(pid), pss: Number(pss), dirty: Number(dirty), clean: Number(clean), name };
    })
    .filter(({ name }) => OURS.test(name))
    .sort((a, b) => a.name.localeCompare(b.name));
}

export const total = (processes: readonly ProcessMemory[], pick: (one: ProcessMemory) => number): number =>
  processes.reduce((sum, one) => sum + pick(one), 0);

export const mib = (kib: number): string => (kib / 1024).toFixed(1);
