/** A small tree in the shape of a package's, made in another order and under another umask each time that differs in `seed`. */
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const FILES: readonly (readonly [path: string, text: string, mode: number])[] = [
  ["bin/lightv", "#!/bin/sh\n", 0o700],
  ["bin/lightvd", "#!/bin/sh\necho\n", 0o755],
  ["lib/lightv/lightvd.mjs", "export {};\n".repeat(500), 0o600],
  ["lib/lightv/node", "not Node\n", 0o755],
  ["lib/lightv/chunks/a.mjs", "1;\n", 0o664],
  ["share/doc/lightv/copyright", "ours\n", 0o666],
  ["etc/lightv/lightvd.conf", "#root = /x\n", 0o644],
];

export function makeSmallTree(prefix: string, seed: number): void {
  const files = seed % 2 === 0 ? FILES : [...FILES].reverse();
  mkdirSync(join(prefix, "etc", "lightv", "update-keys"), { recursive: true });
  for (const [path, text, mode] of files) {
    const file = join(prefix, path);
    mkdirSync(dirname(file), { recursive: true, mode: seed % 2 === 0 ? 0o755 : 0o700 });
    writeFileSync(file, text);
    // What others may do is the umask's to say; what the owner may execute is the file's.
    chmodSync(file, mode & (seed % 2 === 0 ? 0o777 : 0o700));
    utimesSync(file, 1_600_000_000 + seed, 1_600_000_000 + seed);
  }
}
