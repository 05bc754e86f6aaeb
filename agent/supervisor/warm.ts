/** What the desired state wants prepared: ROOT/warm, which the keeper of prepared sandboxes reads (docs/hot-start.md). */
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import type { App } from "#agent/wire/protocol/app.ts";

/** A line `sha256:<hex> N` for each image. Apps that no prepared sandbox can be (another network, the host's ids, mounts, a read-only root) wish in vain. Pure. */
export function wishesOf(apps: readonly App[]): string {
  const wishes = new Map<string, number>();
  for (const { image, warm = 0, network = "none", userns = "auto", mounts = [], readOnly = false } of apps) {
    if (warm === 0 || network !== "none" || userns === "host" || mounts.length > 0 || readOnly) continue;
    wishes.set(image.digest, (wishes.get(image.digest) ?? 0) + warm);
  }
  return [...wishes].map(([digest, count]) => `${digest} ${count}\n`).join("");
}

/** Writes only what has changed: flash wears out. Throws LV_DISK_FULL or LV_INTERNAL. */
export async function writeWishes(file: string, apps: readonly App[]): Promise<void> {
  const wishes = wishesOf(apps);
  if (((await readFileIfExists(file)) ?? "") !== wishes) await writeFileAtomic(file, wishes);
}
