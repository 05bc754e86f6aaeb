/** Archives whose bytes depend on nothing but the names, modes and contents of what is in them, and on one given time. */
import { chmodSync, lstatSync, lutimesSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";

/** Compression: `small` for what people download, `quick` while somebody waits for a test. */
export type Effort = "small" | "quick";

const ZSTD_LEVEL: Readonly<Record<Effort, number>> = { small: 19, quick: 3 };

/** Directories and what may be executed 0755, the rest 0644, whatever the umask was; `modes` has exceptions by path. */
export function normalizeModes(root: string, modes: Readonly<Record<string, number>> = {}): void {
  for (const path of walk(root)) {
    const file = join(root, path);
    const stats = lstatSync(file);
    if (stats.isSymbolicLink()) continue;
    const open = stats.isDirectory() || (stats.mode & 0o100) !== 0;
    chmodSync(file, modes[path] ?? (open ? 0o755 : 0o644));
  }
}

/** All entries get this time, in seconds since 1970; a directory after what is in it. */
export function setTimes(root: string, epoch: number): void {
  for (const path of [...walk(root)].reverse()) lutimesSync(join(root, path), epoch, epoch);
  lutimesSync(root, epoch, epoch);
}

/** Every entry below `root`, relative, a directory before what is in it, in an order that is the same anywhere. */
export function* walk(root: string, below = ""): Generator<string> {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

/** A tar archive of `names` in `directory`, owned by root. Times and modes are those of the files: see above. */
export function writeTar(file: string, directory: string, names: readonly string[]): void {
  const fixed = ["--sort=name", "--format=gnu", "--owner=root:0", "--group=root:0"];
  run("tar", [...fixed, "-cf", file, "-C", directory, "--", ...names], { env: { LC_ALL: "C" } });
}

/** `file` becomes `file`.zst. One thread: the number of threads can change the bytes. */
export function compressZstd(file: string, effort: Effort): string {
  run("zstd", ["-q", "-f", "--rm", "-T1", `-${ZSTD_LEVEL[effort]}`, file, "-o", `${file}.zst`]);
  return `${file}.zst`;
}
