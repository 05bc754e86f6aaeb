/** Names: one file each, replaced by rename. */
import { readdir, unlink } from "node:fs/promises";
import { normalizeImageName } from "#agent/image/name.ts";
import { makePrivateDirectory, readFileIfExists, syncDirectory, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";
import { checkDigest, nameOfRef, type StoreFiles } from "./files.ts";

/** With the name of a temporary file beside it: NAME_MAX less 21 bytes, as the native store has it. */
const LONGEST_FILE = 255 - 21;

export async function writeRef(files: StoreFiles, name: string, digest: string): Promise<void> {
  const path = files.ref(normalizeImageName(name));
  if (path.length - files.refs.length - 1 > LONGEST_FILE)
    throw new LightvError("LV_USAGE", `the image's name "${name}" is too long`, { hint: "choose a shorter name or tag" });
  await makePrivateDirectory(files.refs);
  await writeFileAtomic(path, `${checkDigest(digest)}\n`);
}

/** False when there was none. */
export async function removeRef(files: StoreFiles, name: string): Promise<boolean> {
  try {
    await unlink(files.ref(normalizeImageName(name)));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  await syncDirectory(files.refs);
  return true;
}

/** NAME:TAG to digest. Files that are no names (temporary ones of a crash) are passed over. */
export async function readRefs(files: StoreFiles): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const file of await listDirectory(files.refs)) {
    const digest = (await readFileIfExists(`${files.refs}/${file}`))?.trim();
    if (digest !== undefined && isName(nameOfRef(file)) && /^sha256:[0-9a-f]{64}$/.test(digest)) refs.set(nameOfRef(file), digest);
  }
  return refs;
}

function isName(name: string): boolean {
  try {
    return normalizeImageName(name) === name;
  } catch {
    return false;
  }
}

/** Sorted; empty when there is no such directory. */
export async function listDirectory(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
