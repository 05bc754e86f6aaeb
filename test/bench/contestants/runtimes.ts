/** Those who run a root file system and know no images: the bare program, OCI runtimes, bubblewrap. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Arena, HOW_TO_INSTALL, type Missing } from "../arena/arena.ts";
import type { Contestant } from "./contestant.ts";

export function bare(arena: Arena): Contestant {
  return { name: "bare fork+exec", own: false, command: [join(arena.tree, "hello")] };
}

/** On a bundle of its own, with its default `spec` and no terminal. */
export async function oci(arena: Arena, name: "crun" | "runc"): Promise<Contestant | Missing> {
  const program = await arena.which(name);
  if (program === undefined) return { name, missing: `not installed: ${HOW_TO_INSTALL[name]}` };
  const bundle = join(arena.directory, name);
  mkdirSync(bundle, { recursive: true });
  await arena.commands.ok(["sh", "-c", 'cd "$1" && "$2" spec', "sh", bundle, program]);
  const file = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as {
    process: { terminal: boolean; args: string[] };
    root: { path: string; readonly: boolean };
    linux: Record<string, unknown>;
  };
  config.process.terminal = false;
  config.process.args = ["/hello"];
  config.root = { path: arena.tree, readonly: true };
  config.linux.cgroupsPath = `${arena.cgroupParent}/${name}`;
  writeFileSync(file, JSON.stringify(config));
  const state = join(arena.run, name);
  return { name, own: false, command: [program, "--root", state, "run", "-b", bundle, `lightv-bench-${name}`] };
}

/** It knows neither images nor cgroups nor logs: less work than all others do. */
export async function bwrap(arena: Arena): Promise<Contestant | Missing> {
  const program = await arena.which("bwrap");
  if (program === undefined) return { name: "bwrap", missing: `not installed: ${HOW_TO_INSTALL.bwrap}` };
  const roots = ["--ro-bind", arena.tree, "/", "--proc", "/proc", "--dev", "/dev"];
  return { name: "bwrap", own: false, command: [program, "--unshare-all", ...roots, "/hello"] };
}
