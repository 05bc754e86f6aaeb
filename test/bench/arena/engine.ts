/** What parts ask of LightV, Docker and Podman alike: their command lines differ in little. */
import { join } from "node:path";
import type { Commands } from "./commands.ts";

/** What names of sandboxes and images begin with: an engine may have others. */
export const BENCH = "lightv-bench-";
export const HELLO = `${BENCH}hello`;

export interface ImageSource {
  readonly name: string;
  readonly tree: string;
  readonly command: readonly string[];
}

export interface RunSpec {
  readonly image: string;
  /** Left running in the background under this name. */
  readonly name?: string;
  readonly binds?: readonly (readonly [host: string, inside: string])[];
  readonly command?: readonly string[];
  readonly more?: readonly string[];
}

export interface Engine {
  readonly name: string;
  /** Ours, for plots and ratios. */
  readonly own: boolean;
  /** The command with what chooses its world. */
  readonly cli: readonly string[];
  addImage(source: ImageSource): Promise<void>;
}

/** Default isolation, no network, removed at its end: the same for all. */
export function runCommand({ cli }: Engine, { image, name, binds = [], command = [], more = [] }: RunSpec): string[] {
  const background = name === undefined ? [] : ["-d", "--name", name];
  const volumes = binds.flatMap(([host, inside]) => ["-v", `${host}:${inside}`]);
  return [...cli, "run", "--rm", "--network", "none", ...background, ...volumes, ...more, image, ...command];
}

export function removeCommand({ cli }: Engine, names: readonly string[]): string[] {
  return [...cli, "rm", "-f", ...names];
}

/** Removes every sandbox of an engine that is the bench's own. */
export async function removeAll(commands: Commands, engine: Engine): Promise<void> {
  const listed = await commands.run([...engine.cli, "ps", "-aq"], { always: true, timeoutMs: 60_000 });
  const ids = listed.stdout.split("\n").filter((id) => id !== "");
  for (let i = 0; i < ids.length; i += 100)
    await commands.run(removeCommand(engine, ids.slice(i, i + 100)), { always: true, timeoutMs: 300_000 });
}

/** Packs a tree and hands it to `docker import` or `podman import`. */
export async function importTar(
  commands: Commands,
  engine: Engine,
  directory: string,
  { name, tree, command }: ImageSource,
): Promise<void> {
  const archive = join(directory, `${name}.tar`);
  await commands.ok(["tar", "-C", tree, "-cf", archive, "."]);
  await commands.ok([...engine.cli, "import", "--change", `CMD ${JSON.stringify(command)}`, archive, `${name}:latest`]);
  await commands.ok(["rm", archive]);
}
