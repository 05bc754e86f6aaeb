/** State on disk: a file is either what it was or what it shall be, whatever is killed or unplugged meanwhile. */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, LightvError, messageOf } from "./errors.ts";

/**
 * Replaces a file: temporary file beside it, fsync, rename, fsync of the directory. `mode` is 0600 unless said otherwise.
 * Throws LV_DISK_FULL or LV_INTERNAL; the old content is then untouched.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  try {
    const file = await open(temporary, "w", mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(path, error);
  }
}

/** A directory's entries survive a power cut only after an fsync of the directory itself (fsync(2)). */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The content as text, or undefined when there is no such file. */
export async function readFileIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes a directory of ours (0700) and those above it. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

function writeError(path: string, error: unknown): LightvError {
  const full = ["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "");
  return new LightvError(full ? "LV_DISK_FULL" : "LV_INTERNAL", `can't write ${path}: ${messageOf(error)}`, {
    hint: full ? "free some space; it is tried again" : "check that the directory exists and is writable",
    cause: error,
  });
}
