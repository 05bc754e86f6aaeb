/** Whether a payload fits on the disk once it is unpacked, before anything is given up for it. */
import { lstat, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";

/** The same that a download leaves free (agent/store). */
const RESERVE_BYTES = 16 * 1024 * 1024;
const MIB = 1024 * 1024;

export interface Room {
  /** Of the payload's files. */
  readonly neededBytes: number;
  /** On the disk, now. */
  readonly freeBytes: number;
  /** What the slot holds that is emptied for it. */
  readonly givenBytes: number;
}

/** Throws LV_DISK_FULL with the arithmetic. Pure. */
export function checkRoom({ neededBytes, freeBytes, givenBytes }: Room, slot: string): void {
  const lackingBytes = neededBytes + RESERVE_BYTES - freeBytes - givenBytes;
  if (lackingBytes <= 0) return;
  const sum = `it needs ${mib(neededBytes)} and ${mib(RESERVE_BYTES)} that stay free; ${mib(freeBytes)} are free and slot ${slot} would give ${mib(givenBytes)}`;
  throw new LightvError("LV_DISK_FULL", `no room to unpack: ${sum}, so ${mib(lackingBytes)} are lacking`, {
    hint: "free some room; it is tried again by itself",
  });
}

/** Bytes that are free where `path` lies. */
export async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Bytes that come free when a tree is removed: a file that is linked from elsewhere, as Node may be, gives none. */
export async function bytesOfTree(tree: string): Promise<number> {
  let bytes = 0;
  try {
    for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const { nlink, blocks } = await lstat(join(entry.parentPath, entry.name));
      if (nlink === 1) bytes += blocks * 512;
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return bytes;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
