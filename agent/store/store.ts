/**
 * The device's images: files of docs/sandbox.md under ROOT, visible only when whole and checked. Several processes may use one root;
 * nothing is remembered here that the files don't say, except the downloads under way.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { readImageHead } from "#agent/image/reader.ts";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import type { BackoffRange } from "#agent/lib/backoff.ts";
import type { Clock } from "#agent/lib/clock.ts";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";
import { collectImages } from "./collect.ts";
import { type DownloadOptions, download } from "./download.ts";
import { checkDigest, digestOfFile, StoreFiles } from "./files.ts";
import { listDirectory, readRefs, removeRef, writeRef } from "./refs.ts";
import { Shared } from "./shared.ts";
import type { Collected, FetchProgress, FetchRequest, StoredImage } from "./types.ts";

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
  /** Between tries of a download. */
  readonly backoff?: BackoffRange;
  /** So long without a byte is a cut. Milliseconds. */
  readonly idleMs?: number;
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
  /** Removes an image that has turned out to be damaged: the next fetch gets it anew. Its names stay. */
  discard(digest: string): Promise<void>;
  /** Removes images that are in nobody's `keep`, oldest use first, when the disk is short (or all of them, with `all`). */
  collect(keep: ReadonlySet<string>, options?: { all?: boolean }): Promise<Collected>;
}

const RESERVE_BYTES = 16 * 1024 * 1024;
const BACKOFF: BackoffRange = { minMs: 1000, maxMs: 60_000 };
const IDLE_MS = 30_000;
const LOW_WATERMARK = 0.1;
const HIGH_WATERMARK = 0.2;
/** Builds that are so old have been given up; a download is kept as long as somebody wants it (collect). */
const STALE_MS = 24 * 3600 * 1000;

export class DeviceImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #files: StoreFiles;
  readonly #downloads: Shared<FetchProgress, void>;

  constructor(options: ImageStoreOptions) {
    this.#options = options;
    this.#files = new StoreFiles(options.root);
    this.#downloads = new Shared();
  }

  async start(_signal: AbortSignal): Promise<void> {
    const { images, refs, partial } = this.#files;
    for (const directory of [images, refs, partial]) await makePrivateDirectory(directory);
    const oldest = this.#options.clock.wallMs() - STALE_MS;
    for (const name of await readdir(partial)) {
      const path = join(partial, name);
      const stats = await stat(path).catch(() => undefined);
      if (/^(build|spool)-/.test(name) && stats !== undefined && stats.mtimeMs < oldest) await rm(path, { force: true });
    }
  }

  async stop(): Promise<void> {
    await this.#downloads.stop(
      new LightvError("LV_UNAVAILABLE", "the agent is stopping", { hint: "the download goes on when it is started again" }),
    );
  }

  async has(digest: string): Promise<boolean> {
    return (await stat(this.#files.image(digest)).catch(() => undefined))?.isFile() === true;
  }

  async find(digest: string): Promise<StoredImage | undefined> {
    const path = this.#files.image(digest);
    try {
      const head = await readImageHead(path);
      if (head.digest === digest) return { digest, path, size: head.header.fileSize, manifest: head.manifest };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
    throw new LightvError("LV_IMAGE_BROKEN", `${path} is another image than its name says`, { hint: "remove it; it is fetched again" });
  }

  async list(): Promise<StoredImage[]> {
    const found: StoredImage[] = [];
    for (const name of await listDirectory(this.#files.images)) {
      const digest = digestOfFile(name);
      const image = digest === undefined ? undefined : await this.find(digest);
      if (image !== undefined) found.push(image);
    }
    return found;
  }

  refs(): Promise<ReadonlyMap<string, string>> {
    return readRefs(this.#files);
  }

  async tag(name: string, digest: string): Promise<void> {
    if (!(await this.has(digest)))
      throw new LightvError("LV_NOT_FOUND", `no image ${digest} in the store`, { hint: "fetch or import it first" });
    await writeRef(this.#files, name, digest);
  }

  untag(name: string): Promise<boolean> {
    return removeRef(this.#files, name);
  }

  async fetch(request: FetchRequest, signal: AbortSignal): Promise<StoredImage> {
    checkDigest(request.digest);
    let image = await this.#sound(request.digest);
    if (image === undefined) {
      const work = (shared: AbortSignal, tell: (progress: FetchProgress) => void): Promise<void> =>
        download(request, this.#downloadOptions, shared, tell);
      await this.#downloads.join(request.digest, work, signal, request.onProgress);
      image = await this.find(request.digest);
    }
    if (image === undefined) throw new LightvError("LV_INTERNAL", `image ${request.digest} was removed while it was fetched`);
    if (request.name !== undefined) await writeRef(this.#files, request.name, request.digest);
    return image;
  }

  /** What is broken at its head is as if it were not there: the download replaces it. */
  async #sound(digest: string): Promise<StoredImage | undefined> {
    return this.find(digest).catch((error: unknown) => {
      if (error instanceof LightvError && error.code === "LV_IMAGE_BROKEN") return undefined;
      throw error;
    });
  }

  get #downloadOptions(): DownloadOptions {
    const { clock, random, reserveBytes = RESERVE_BYTES, backoff = BACKOFF, idleMs = IDLE_MS } = this.#options;
    return { files: this.#files, clock, random, reserveBytes, backoff, idleMs };
  }

  async discard(digest: string): Promise<void> {
    await rm(this.#files.image(digest), { force: true });
  }

  async collect(keep: ReadonlySet<string>, options: { all?: boolean } = {}): Promise<Collected> {
    const { lowWatermark = LOW_WATERMARK, highWatermark = HIGH_WATERMARK } = this.#options;
    const active = new Set([...keep, ...this.#downloads.keys()]);
    return collectImages(this.#files, active, { lowWatermark, highWatermark, all: options.all === true });
  }
}
