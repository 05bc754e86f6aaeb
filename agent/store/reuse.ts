/** Chunks that other images of this device already have: an update costs the network only what is new. */
import { open } from "node:fs/promises";
import { readAt, readChunkTable, readImageHead } from "#agent/image/reader.ts";
import { errnoOf, isLightvError } from "#agent/lib/errors.ts";
import type { Partial } from "./partial.ts";

/** Copies what `others` (paths of images) have of what is missing. Gives the bytes copied; `onBytes` is told as it goes. */
export async function reuseChunks(
  partial: Partial,
  others: readonly string[],
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const wanted = new Map<string, number[]>();
  const { table } = partial.head;
  for (const index of partial.missing()) {
    const key = table.hash(index).toString("latin1");
    wanted.set(key, [...(wanted.get(key) ?? []), index]);
  }
  let copied = 0;
  for (const path of others) {
    if (wanted.size === 0) break;
    copied += await copyFrom(path, wanted, partial, signal, onBytes).catch((error: unknown) => {
      // A damaged image, or one removed just now, has nothing to give; every chunk is checked anyway.
      if (isLightvError(error, "LV_IMAGE_BROKEN") || isLightvError(error, "LV_IMAGE_DIGEST") || errnoOf(error) === "ENOENT") return 0;
      throw error;
    });
  }
  return copied;
}

async function copyFrom(
  path: string,
  wanted: Map<string, number[]>,
  partial: Partial,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const head = await readImageHead(path);
  const file = await open(path, "r");
  let copied = 0;
  try {
    const table = await readChunkTable(file, head);
    for (let index = 0; index < table.count && wanted.size > 0; index++) {
      const key = table.hash(index).toString("latin1");
      const places = wanted.get(key);
      if (places === undefined) continue;
      signal.throwIfAborted();
      const bytes = await readAt(file, table.offset(index), table.length(index));
      if (!partial.matches(places[0] ?? 0, bytes)) continue;
      for (const place of places) await partial.put(place, bytes);
      wanted.delete(key);
      copied += bytes.length * places.length;
      onBytes(bytes.length * places.length);
    }
  } finally {
    await file.close();
  }
  return copied;
}
