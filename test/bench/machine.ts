/** On what was measured. */
import { cpus, release, totalmem } from "node:os";
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
  return {
    cpu: cpus()[0]?.model ?? "CPU",
    cpus: cpus().length,
    memoryMib: Math.round(totalmem() / MIB),
    kernel: release(),
    commit: commit.stdout.trim() || "unknown",
    versions,
  };
}
