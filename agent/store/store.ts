/**
 * The device's images: files of docs/sandbox.md under ROOT, visible only when whole and checked. Several processes may use one root;
 * nothing is remembered here that the files don't say, except the downloads under way.
 */
import type { Clock } from "#agent/lib/clock.ts";
import type { Collected, FetchRequest, StoredImage } from "./types.ts";

export interface ImageStoreOptions {
  /** ROOT of docs/sandbox.md. */
  readonly root: string;
  readonly clock: Pick<Clock, "sleep" | "wallMs">;
  /** For jitter: a number in [0, 1). */
  readonly random: () => number;
  /** Free bytes that a download must leave on the disk. */
  readonly reserveBytes?: number;
  /** collect() starts to remove when less than this share of the disk is free, and stops at the second. */
  readonly lowWatermark?: number;
  readonly highWatermark?: number;
}

export interface ImageStore {
  /** Makes the directories and drops partial files that nobody resumes. */
  start(signal: AbortSignal): Promise<void>;
  /** Ends downloads under way; their partial files stay and are resumed. */
  stop(): Promise<void>;
  has(digest: string): Promise<boolean>;
  /** Header and manifest checked; undefined when it is not there. Throws LV_IMAGE_BROKEN. */
  find(digest: string): Promise<StoredImage | undefined>;
  list(): Promise<StoredImage[]>;
  /** NAME:TAG -> digest. */
  refs(): Promise<ReadonlyMap<string, string>>;
  tag(name: string, digest: string): Promise<void>;
  untag(name: string): Promise<boolean>;
  /**
   * Gets an image, resuming what is there already; tries again by itself, with back-off, what may pass (cuts, 5xx, 429), until the signal
   * aborts. Two calls for one digest share the transfer. Throws LV_DISK_FULL, LV_IMAGE_DIGEST, LV_IMAGE_BROKEN, LV_FETCH (4xx), LV_DENIED.
   */
  fetch(request: FetchRequest, signal: AbortSignal): Promise<StoredImage>;
  /** Removes images that are in nobody's `keep`, oldest use first, when the disk is short (or all of them, with `all`). */
  collect(keep: ReadonlySet<string>, options?: { all?: boolean }): Promise<Collected>;
}
