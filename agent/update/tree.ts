/** Trees of agents on disk: what a release says of itself, and what a payload without Node lacks. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, readFile, realpath, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";

const Release = Type.Object({
  version: Type.String(),
  architecture: Type.String(),
  node: Type.Object({ version: Type.String(), sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) }),
});
export type Release = Static<typeof Release>;

const PARTS = ["bin/lightvd", "bin/lightv", "lib/lightv/node", "lib/lightv/lightvd.mjs", "lib/lightv/lightv.node"];

export function nodeOf(tree: string): string {
  return join(tree, "lib", "lightv", "node");
}

/** Throws LV_IMAGE_BROKEN. */
export async function readRelease(tree: string): Promise<Release> {
  const path = join(tree, "lib", "lightv", "release.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) throw broken("it has no lib/lightv/release.json");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!Value.Check(Release, value)) throw broken("its lib/lightv/release.json has not the right shape");
  return value;
}

/** The tree is what the signature says. Throws LV_IMAGE_BROKEN, LV_IMAGE_PLATFORM. */
export function checkRelease(release: Release, wanted: DesiredAgent): void {
  if (release.version !== wanted.version) throw broken(`it holds version ${release.version}, and was signed as ${wanted.version}`);
  if (release.architecture !== wanted.architecture)
    throw new LightvError("LV_IMAGE_PLATFORM", `the payload holds an agent for ${release.architecture}, not ${wanted.architecture}`);
}

/** Throws LV_IMAGE_BROKEN that names the first part that is missing. */
export async function checkParts(tree: string): Promise<void> {
  for (const part of PARTS) {
    const found = await stat(join(tree, part)).catch(() => undefined);
    if (found?.isFile() !== true || found.size === 0) throw broken(`${part} is missing`);
  }
}

/**
 * Gives a tree without Node the one that runs us, when it is the one that the release was made with: a hard link, which stays when the
 * other slot is overwritten; over the border of a file system a link to the installed one, else a copy. Throws LV_IMAGE_BROKEN.
 */
export async function completeNode(tree: string, release: Release, running: string, slots: string): Promise<void> {
  const target = nodeOf(tree);
  if ((await stat(target).catch(() => undefined)) !== undefined) return checkNode(target, release, "the payload's own Node");
  const source = await realpath(nodeOf(running)).catch(() => undefined);
  if (source === undefined) throw broken("it has no Node, and neither has the tree that runs");
  await checkNode(source, release, "the Node of this device");
  try {
    await link(source, target);
  } catch (error) {
    if (!["EXDEV", "EPERM", "EMLINK"].includes(errnoOf(error) ?? "")) throw error;
    if (source.startsWith(`${await realpath(slots)}/`)) await copyFile(source, target);
    else await symlink(source, target);
  }
}

async function checkNode(path: string, { node, version }: Release, what: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) hash.update(piece as Buffer);
  if (hash.digest("hex") === node.sha256) return;
  throw broken(`version ${version} needs Node ${node.version} (sha256 ${node.sha256.slice(0, 12)}…), and ${what} is another`);
}

function broken(why: string): LightvError {
  return new LightvError("LV_IMAGE_BROKEN", `the payload can't be used: ${why}`, { hint: "make it anew, or install the package" });
}
