/** On what was measured. */
import si from "systeminformation";
import type { Arena } from "./arena/arena.ts";
import { MIB } from "./measure/memory.ts";
import type { Machine } from "./part.ts";

const PROGRAMS: readonly (readonly string[])[] = [
  ["crun", "--version"],
  ["runc", "--version"],
  ["bwrap", "--version"],
  ["podman", "--version"],
  ["docker", "--version"],
  ["dockerd", "--version"],
  ["containerd", "--version"],
  ["nginx", "-v"],
  ["redis-server", "--version"],
  ["openssl", "version"],
];

export async function machine(arena: Arena): Promise<Machine> {
  const versions: string[] = [];
  for (const [program = "", ...args] of PROGRAMS) {
    if ((await arena.which(program)) === undefined) continue;
    const { stdout, stderr } = await arena.commands.run([program, ...args], { timeoutMs: 20_000 });
    const line = (stdout.trim() || stderr.trim()).split("\n")[0] ?? "";
    versions.push(`${program} ${/\d+\.\d+[\w.+~-]*/.exec(line)?.[0] ?? line}`);
  }
  const commit = await arena.commands.run(["git", "-C", arena.top, "describe", "--always", "--dirty", "--exclude=*"]);
  const [cpu, memory, system] = await Promise.all([si.cpu(), si.mem(), si.osInfo()]);
  return {
    cpu: `${cpu.manufacturer} ${cpu.brand}`.trim() || "CPU",
    cpus: cpu.cores,
    memoryMib: Math.round(memory.total / MIB),
    system: `${system.distro} ${system.release}, Linux ${system.kernel}`,
    commit: commit.stdout.trim() || "unknown",
    versions,
  };
}
