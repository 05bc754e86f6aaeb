/** Makes room: images that nobody wants go, least recently used first, until enough of the disk is free. */
import { readFile, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "#agent/lib/atomic-file.ts";
import { digestOfFile, type StoreFiles } from "./files.ts";
import { listDirectory, readRefs, removeRef } from "./refs.ts";
import type { Collected } from "./types.ts";

export interface CollectOptions {
  /** Shares of the disk, from 0 to 1. */
  readonly lowWatermark: number;
  readonly highWatermark: number;
  /** Not only until there is room. */
  readonly all: boolean;
}

interface Candidate {
  readonly digest: string;
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** `keep` and every image that a sandbox on this machine was made from stay. Partial downloads that nobody keeps go first. */
export async function collectImages(files: StoreFiles, keep: ReadonlySet<string>, options: CollectOptions): Promise<Collected> {
  const { lowWatermark, highWatermark, all } = options;
  const kept = new Set([...keep, ...(await digestsOfSandboxes(files))]);
  const removed: string[] = [];
  let freedBytes = await dropPartials(files, kept);
  const short = all || (await free(files)).share < lowWatermark;
  for (const candidate of short ? await candidates(files, kept) : []) {
    if (!all && (await free(files)).share >= highWatermark) break;
    await remove(files, candidate);
    removed.push(candidate.digest);
    freedBytes += candidate.bytes;
  }
  return { removed, freedBytes, freeBytes: (await free(files)).bytes };
}

async function free(files: StoreFiles): Promise<{ bytes: number; share: number }> {
  const { bavail, bsize, blocks } = await statfs(files.root);
  return { bytes: bavail * bsize, share: blocks === 0 ? 1 : bavail / blocks };
}

/** Least recently used first. */
async function candidates(files: StoreFiles, kept: ReadonlySet<string>): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const name of await listDirectory(files.images)) {
    const digest = digestOfFile(name);
    if (digest === undefined || kept.has(digest)) continue;
    const path = join(files.images, name);
    const stats = await stat(path).catch(() => undefined);
    // relatime keeps the time of use to the day, which is enough.
    if (stats !== undefined) found.push({ digest, path, bytes: stats.blocks * 512, usedMs: Math.max(stats.atimeMs, stats.mtimeMs) });
  }
  return found.sort((a, b) => a.usedMs - b.usedMs);
}

/** Its names first: no name may point at nothing. */
async function remove(files: StoreFiles, { digest, path }: Candidate): Promise<void> {
  for (const [name, target] of await readRefs(files)) if (target === digest) await removeRef(files, name);
  await rm(path, { force: true });
  await rm(files.unpacked(digest), { recursive: true, force: true });
  await syncDirectory(files.images);
}

async function dropPartials(files: StoreFiles, kept: ReadonlySet<string>): Promise<number> {
  let freed = 0;
  for (const name of await listDirectory(files.partial)) {
    const digest = digestOfFile(name);
    if (digest === undefined || kept.has(digest)) continue;
    const path = join(files.partial, name);
    freed += ((await stat(path).catch(() => undefined))?.blocks ?? 0) * 512;
    await rm(path, { force: true });
  }
  return freed;
}

/** Sandboxes that people made with `lightv run` are in no desired state, and need their images as well. */
async function digestsOfSandboxes(files: StoreFiles): Promise<Set<string>> {
  const digests = new Set<string>();
  const directory = join(files.root, "sandboxes");
  for (const id of await listDirectory(directory)) {
    const text = await readFile(join(directory, id, "config.json"), "utf8").catch(() => "");
    const digest = /"imageDigest"\s*:\s*"(sha256:[0-9a-f]{64})"/.exec(text)?.[1];
    if (digest !== undefined) digests.add(digest);
  }
  return digests;
}
