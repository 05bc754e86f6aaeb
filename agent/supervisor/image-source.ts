/** The supervisor's images: the device's store, and the controller's endpoint to fill it from. */
import type { Clock } from "#agent/lib/clock.ts";
import { isLightvError, LightvError } from "#agent/lib/errors.ts";
import type { Trust } from "#agent/lib/tls.ts";
import type { ImageStore } from "#agent/store/store.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { ImageFacts } from "./model.ts";
import type { Images, PullOptions } from "./ports.ts";

/** Where images come from, and what opens the door there. */
export interface Endpoint {
  readonly imagesUrl: string;
  readonly authorization: string;
  readonly trust: Trust;
}

const COLLECT_MS = 600_000;

export class ImageSource implements Images {
  private readonly store: ImageStore;
  private readonly clock: Clock;
  private readonly endpoint: () => Endpoint | undefined;
  private readonly known = new Map<string, ImageFacts>();
  private kept: ReadonlySet<string> = new Set();
  /** Of others than apps, for a while. */
  private readonly pinned = new Set<string>();
  private collectedAt: number | undefined;

  constructor(store: ImageStore, clock: Clock, endpoint: () => Endpoint | undefined) {
    this.store = store;
    this.clock = clock;
    this.endpoint = endpoint;
  }

  async facts(digest: string): Promise<ImageFacts | undefined> {
    // A file that is there under its name never changes: its manifest is read once.
    const known = this.known.get(digest);
    if (known !== undefined && (await this.store.has(digest))) return known;
    this.known.delete(digest);
    const image = await this.store.find(digest).catch((error: unknown) => {
      // As if it were not there: the pull checks and replaces it.
      if (isLightvError(error, "LV_IMAGE_BROKEN")) return undefined;
      throw error;
    });
    if (image === undefined) return undefined;
    const facts = { architecture: image.manifest.architecture, memoryBytes: image.manifest.budget?.memory };
    this.known.set(digest, facts);
    return facts;
  }

  async pull(image: App["image"], { signal, onProgress }: PullOptions): Promise<void> {
    const request = { digest: image.digest, size: image.size, name: image.name, ...this.locate(image) };
    try {
      await this.store.fetch({ ...request, onProgress: ({ done, total, trouble }) => onProgress(done, total, trouble) }, signal);
    } catch (error) {
      // Make room for the next try.
      if (isLightvError(error, "LV_DISK_FULL")) await this.collect();
      throw error;
    }
  }

  has(digest: string): Promise<boolean> {
    return this.store.has(digest);
  }

  async keep(digests: ReadonlySet<string>): Promise<void> {
    this.kept = digests;
    const now = this.clock.uptimeMs();
    this.collectedAt ??= now;
    if (now - this.collectedAt < COLLECT_MS) return;
    this.collectedAt = now;
    await this.collect();
  }

  /** As pull; the file stays until unpin, whoever else wants it. Gives its path. */
  async pullPinned(image: App["image"], options: PullOptions): Promise<string> {
    this.pinned.add(image.digest);
    await this.pull(image, options);
    const stored = await this.store.find(image.digest);
    if (stored === undefined) throw new LightvError("LV_UNAVAILABLE", `image ${image.name} was removed`, { hint: "it is fetched again" });
    return stored.path;
  }

  unpin(digest: string): void {
    this.pinned.delete(digest);
  }

  discard(digest: string): Promise<void> {
    return this.store.discard(digest);
  }

  /** Images that nobody keeps go when the disk is short. */
  async collect(): Promise<void> {
    await this.store.collect(new Set([...this.kept, ...this.pinned]));
  }

  /** Our password goes to our controller only. */
  private locate(image: App["image"]): { url: string; headers?: Record<string, string>; trust?: Trust } {
    const endpoint = this.endpoint();
    const url = image.url ?? (endpoint === undefined ? undefined : `${endpoint.imagesUrl.replace(/\/$/, "")}/${image.digest}`);
    if (url === undefined)
      throw new LightvError("LV_UNAVAILABLE", `image ${image.name} has no URL, and this device is not enrolled`, {
        hint: "it is fetched once the device is enrolled",
      });
    if (endpoint === undefined || new URL(url).origin !== new URL(endpoint.imagesUrl).origin) return { url };
    return { url, headers: { authorization: endpoint.authorization }, trust: endpoint.trust };
  }
}
