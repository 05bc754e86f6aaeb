/** Images at rest in the controller: `images/sha256-<hex>.lv`, visible only when whole and checked; uploads under way in `partial/`. */
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "#agent/lib/atomic-file.ts";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";
import { devicesUsing } from "#fleet/store/desired.ts";
import { findImage, type ImageRow, putImage, removeImage } from "#fleet/store/images.ts";
import type { Store } from "#fleet/store/store.ts";
import { type CheckedImage, checkImage } from "./check.ts";

export interface ImagesOptions {
  readonly directory: string;
  readonly store: Store;
  readonly maxBytes: number;
  readonly now: () => number;
  /** A name nobody else has; for files under way. */
  readonly newId: () => string;
}

export interface OpenImage {
  readonly file: FileHandle;
  readonly size: number;
}

export class Images {
  readonly #options: ImagesOptions;

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  /** Makes the directories and drops what an earlier process was receiving or deleting: a file without its row was never confirmed. */
  async start(): Promise<void> {
    await mkdir(this.#images, { recursive: true, mode: 0o700 });
    await mkdir(this.#partial, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#partial)) await rm(join(this.#partial, name), { force: true });
    for (const name of await readdir(this.#images)) {
      const digest = name.replace(/^sha256-([0-9a-f]{64})\.lv$/, "sha256:$1");
      if ((await findImage(this.#options.store.db, digest)) === undefined) await rm(join(this.#images, name), { force: true });
    }
  }

  /**
   * Receives an image, checks it whole and gives it its name. `name` replaces the manifest's in the catalogue.
   * Throws LV_IMAGE_BROKEN, LV_IMAGE_DIGEST, LV_DISK_FULL, LV_USAGE when it is over the limit; nothing is left of it then.
   */
  async receive(body: AsyncIterable<Uint8Array>, name: string | undefined, signal?: AbortSignal): Promise<ImageRow> {
    const path = join(this.#partial, this.#options.newId());
    try {
      const checked = await this.#receiveInto(path, body, signal);
      await rename(path, this.#path(checked.digest));
      await syncDirectory(this.#images);
      return await this.#enter(checked, name);
    } catch (error) {
      if (!["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) throw error;
      throw new LightvError("LV_DISK_FULL", "no room for the image on the controller", {
        hint: "delete images that no device uses (`lightv fleet images`), or enlarge data-dir",
        cause: error,
      });
    } finally {
      await rm(path, { force: true });
    }
  }

  async #receiveInto(path: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<CheckedImage> {
    const { maxBytes } = this.#options;
    const file = await open(path, "wx+", 0o600);
    try {
      let size = 0;
      for await (const chunk of body) {
        signal?.throwIfAborted();
        size += chunk.length;
        if (size > maxBytes)
          throw new LightvError("LV_USAGE", `the image is over the limit of ${maxBytes / 1024 / 1024} MiB`, {
            hint: "raise images.max-size of the controller",
          });
        await file.writeFile(chunk);
      }
      const checked = await checkImage(file);
      await file.sync();
      return checked;
    } finally {
      await file.close();
    }
  }

  /** Makes it visible. A file whose row can't be written does not stay to take the room. */
  async #enter(checked: CheckedImage, name: string | undefined): Promise<ImageRow> {
    const { store, now } = this.#options;
    const row: ImageRow = { ...checked, name: name ?? checked.name, config: JSON.stringify(checked.config), pushed_at: now() };
    try {
      await putImage(store.db, row);
    } catch (error) {
      if ((await findImage(store.db, checked.digest)) === undefined) await rm(this.#path(checked.digest), { force: true });
      throw error;
    }
    return row;
  }

  /** The caller closes the file. Undefined when there is no such image. */
  async open(digest: string): Promise<OpenImage | undefined> {
    try {
      const file = await open(this.#path(digest), "r");
      return { file, size: (await file.stat()).size };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Throws LV_NOT_FOUND, or LV_CONFLICT while a device's desired state names it. */
  async remove(digest: string): Promise<void> {
    const { store } = this.#options;
    await store.transaction(async (db) => {
      if ((await findImage(db, digest)) === undefined)
        throw new LightvError("LV_NOT_FOUND", `no image ${digest}`, { hint: "`lightv fleet images` lists them" });
      const users = await devicesUsing(db, digest);
      if (users.length > 0)
        throw new LightvError("LV_CONFLICT", `image ${digest} is in the desired state of ${users.slice(0, 5).join(", ")}`, {
          hint: "undeploy it there first",
        });
      await removeImage(db, digest);
    });
    await rm(this.#path(digest), { force: true });
  }

  get #images(): string {
    return join(this.#options.directory, "images");
  }

  get #partial(): string {
    return join(this.#options.directory, "partial");
  }

  #path(digest: string): string {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest))
      throw new LightvError("LV_USAGE", `"${digest}" is not a digest`, { hint: "sha256:<64 hex>" });
    return join(this.#images, `${digest.replace(":", "-")}.lv`);
  }
}
