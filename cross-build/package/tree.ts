/**
 * The prefix tree: what dist/, a package's /usr, an archive and a self-update have in common. Everything in it finds its parts
 * relatively, so it runs wherever it lies.
 *
 *     bin/lightv                     static, native
 *     bin/lightvd, lightv-fleet      launchers
 *     lib/lightv/                    node, lightv.node, *.mjs bundles, chunks/, release.json
 */
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Release {
  readonly version: string;
  readonly architecture: string;
  readonly node: { readonly version: string; readonly sha256: string };
  /** The commit that it was built from; with "-dirty" when the files were not that commit's. */
  readonly commit: string;
}

export function libraryOf(prefix: string): string {
  return join(prefix, "lib", "lightv");
}

/** The static command and the addon, out of a directory of a native build. */
export function placeNative(prefix: string, built: string): void {
  place(join(built, "lightv"), join(prefix, "bin", "lightv"), 0o755);
  place(join(built, "lightv.node"), join(libraryOf(prefix), "lightv.node"), 0o644);
}

/** Replaces, never overwrites: a running sandbox's monitor executes the old file. */
export function place(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  const fresh = `${to}.new`;
  copyFileSync(from, fresh);
  chmodSync(fresh, mode);
  rmSync(to, { force: true });
  linkSync(fresh, to);
  rmSync(fresh);
}

/** lib/lightv/release.json: what this tree is. */
export function placeRelease(prefix: string, release: Release): void {
  writeFileSync(join(libraryOf(prefix), "release.json"), `${JSON.stringify(release, undefined, 2)}\n`, { mode: 0o644 });
}

/** Hexadecimal SHA-256 of a file. */
export function fileDigest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
