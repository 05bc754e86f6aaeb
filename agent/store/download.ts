/** One image's way onto the device, across cuts: head, local chunks, missing ranges, fsync, rename. */
import { rename, stat, statfs } from "node:fs/promises";
import { HEADER_BYTES } from "#agent/image/header.ts";
import { writeError } from "#agent/image/writer.ts";
import { makePrivateDirectory, syncDirectory } from "#agent/lib/atomic-file.ts";
import { type BackoffRange, fullJitterMs } from "#agent/lib/backoff.ts";
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { digestOfFile, type StoreFiles } from "./files.ts";
import { Transient } from "./http.ts";
import { openPartial, Partial, readOwnHead } from "./partial.ts";
import { listDirectory } from "./refs.ts";
import { reuseChunks } from "./reuse.ts";
import { fetchChunks, fetchHead, type Source } from "./transfer.ts";
import type { FetchProgress, FetchRequest } from "./types.ts";

export interface DownloadOptions {
  readonly files: StoreFiles;
  readonly clock: Pick<Clock, "sleep">;
  readonly random: () => number;
  readonly reserveBytes: number;
  readonly backoff: BackoffRange;
  readonly idleMs: number;
}

/** Ends when the image is visible. Throws what types.ts and store.ts say; what was fetched stays for the next try. */
export async function download(
  request: FetchRequest,
  options: DownloadOptions,
  signal: AbortSignal,
  onProgress: (progress: FetchProgress) => void,
): Promise<void> {
  const path = options.files.download(request.digest);
  let last: FetchProgress = { done: 0, total: request.size ?? 0, reused: 0 };
  try {
    for (let attempt = 0; ; attempt++) {
      let moved = false;
      const seen = (progress: FetchProgress): void => {
        moved = true;
        last = progress;
        onProgress(progress);
      };
      try {
        return await new Attempt(request, options, signal, seen).run(path);
      } catch (error) {
        if (!(error instanceof Transient) || signal.aborted) throw error;
        // Whatever came through shows that the way is open: begin with short waits again.
        if (moved) attempt = 0;
        onProgress({ ...last, trouble: `fetching ${request.url}: ${error.message}; it is tried again` });
        await options.clock.sleep(
          Math.max(fullJitterMs(attempt, options.backoff, options.random), Math.min(error.retryAfterMs ?? 0, options.backoff.maxMs)),
          signal,
        );
      }
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw writeError(path, error);
  }
}

class Attempt {
  readonly #request: FetchRequest;
  readonly #options: DownloadOptions;
  readonly #source: Source;
  readonly #signal: AbortSignal;
  readonly #onProgress: (progress: FetchProgress) => void;

  constructor(request: FetchRequest, options: DownloadOptions, signal: AbortSignal, onProgress: (progress: FetchProgress) => void) {
    const { url, headers = {}, trust } = request;
    this.#request = request;
    this.#options = options;
    this.#source = { url, headers, trust, signal, idleMs: options.idleMs };
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  async run(path: string): Promise<void> {
    const { digest, size } = this.#request;
    const { files } = this.#options;
    if (size !== undefined) await this.#room(path, size);
    const file = await openPartial(path);
    try {
      const own = await readOwnHead(file, digest);
      const head = own ?? (await fetchHead(this.#source, digest, size, file, (bytes) => this.#room(path, bytes)));
      const partial = new Partial(file, head);
      const isFresh = (await file.stat()).size === 0;
      await partial.begin();
      if (!isFresh) await partial.scan(this.#signal);
      await this.#fill(partial);
      await file.sync();
    } finally {
      await file.close();
    }
    await makePrivateDirectory(files.images);
    await rename(path, files.image(digest));
    await syncDirectory(files.images);
  }

  async #fill(partial: Partial): Promise<void> {
    const { files } = this.#options;
    const { fileSize: total } = partial.header;
    // The chunks cover all of the file system but the header.
    const other = total - (partial.head.manifest.erofs.size - HEADER_BYTES);
    let reused = 0;
    const tell = (): void => this.#onProgress({ done: partial.presentBytes + other, total, reused });
    const local = (await listDirectory(files.images)).filter((name) => digestOfFile(name) !== undefined);
    const paths = local.map((name) => `${files.images}/${name}`);
    await reuseChunks(partial, paths, this.#signal, (bytes) => {
      reused += bytes;
      tell();
    });
    for (const [from, to] of runs(partial.missing())) if (!partial.has(to)) await fetchChunks(this.#source, partial, from, to, tell);
    tell();
  }

  /** Before a byte moves: what is still to come, and the reserve, must fit. */
  async #room(path: string, bytes: number): Promise<void> {
    const { files, reserveBytes } = this.#options;
    await makePrivateDirectory(files.partial);
    const { bavail, bsize } = await statfs(files.partial);
    // Blocks are of 512 bytes (stat(2)), whatever the file system's are.
    const have = await stat(path).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    );
    const needed = Math.max(0, bytes - have) + reserveBytes;
    if (needed <= bavail * bsize) return;
    throw new LightvError(
      "LV_DISK_FULL",
      `image ${this.#request.digest} needs ${needed} bytes, and ${files.root} has ${bavail * bsize} left`,
      {
        hint: "images that no app uses are removed by themselves; make room, or take a smaller image",
      },
    );
  }
}

/** Runs of numbers without a gap: [1,2,3,7] -> [[1,3],[7,7]]. */
export function runs(numbers: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}
