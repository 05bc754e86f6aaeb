/** Writes a whole `.lv` file: EROFS, manifest, chunk table, header. One pass over the data; the same input gives the same bytes. */
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "#agent/lib/atomic-file.ts";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";
import { Chunker } from "./chunker.ts";
import { type Erofs, erofsOf } from "./erofs/write.ts";
import { BLOCK_BYTES, CHUNK_ENTRY_BYTES, encodeHeader, HEADER_BYTES, layOut } from "./header.ts";
import { digestOf, encodeManifest, type ImageBudget, type ImageConfig, type Manifest } from "./manifest.ts";
import type { Tree } from "./tree.ts";

export interface ImageDescription {
  /** NAME:TAG. */
  readonly name: string;
  /** A GOARCH name. */
  readonly architecture: string;
  /** RFC 3339. */
  readonly created: string;
  readonly config: ImageConfig;
  readonly budget?: ImageBudget;
}

export interface WrittenImage {
  readonly digest: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly manifest: Manifest;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** Called with the bytes that will be written and the directory, before the first one; may throw. */
  readonly beforeWrite?: (bytes: number, directory: string) => Promise<void>;
}

/**
 * Writes a file system as a `.lv` file into `file`, which is empty, and syncs it. Throws LV_DISK_FULL, LV_USAGE (what the format can't hold).
 */
export async function writeImage(
  file: FileHandle,
  erofs: Erofs,
  description: ImageDescription,
  options: WriteOptions = {},
): Promise<WrittenImage> {
  const table = await writeErofs(file, erofs, options);
  const manifest: Manifest = {
    schemaVersion: 1,
    name: description.name,
    os: "linux",
    architecture: description.architecture,
    created: description.created,
    config: description.config,
    ...(description.budget === undefined ? {} : { budget: description.budget }),
    erofs: { blockSize: BLOCK_BYTES, size: erofs.size },
    chunks: { count: table.length / CHUNK_ENTRY_BYTES, digest: digestOf(table), size: table.length },
  };
  const manifestBytes = encodeManifest(manifest);
  const header = layOut(erofs.size, manifestBytes.length, table.length);
  await writeAll(file, manifestBytes, header.manifest.offset);
  await writeAll(file, table, header.chunks.offset);
  await writeAll(file, encodeHeader(header), 0);
  // What lies between and behind the sections is a hole, which reads as the zeros that the format wants.
  await file.truncate(header.fileSize);
  await file.sync();
  return { digest: digestOf(manifestBytes), size: header.fileSize, manifest };
}

async function writeErofs(file: FileHandle, erofs: Erofs, { signal, onProgress }: WriteOptions): Promise<Buffer> {
  const chunker = new Chunker(HEADER_BYTES);
  let at = HEADER_BYTES;
  for await (const bytes of erofs.bytes()) {
    signal?.throwIfAborted();
    await writeAll(file, bytes, at);
    chunker.push(bytes);
    at += bytes.length;
    onProgress?.(at, erofs.size);
  }
  if (at !== erofs.size) throw new LightvError("LV_INTERNAL", `the file system has ${at} bytes, planned were ${erofs.size}`);
  return chunker.finish();
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/**
 * The same into a new file that gets its name only when it is whole, and survives a power cut then. `target` names it from its
 * digest; `temporary` must be in the same file system. Throws as writeImage does; nothing is left then.
 */
export async function writeImageFile(
  temporary: string,
  target: (image: WrittenImage) => string,
  tree: Tree,
  description: ImageDescription,
  options: WriteOptions = {},
): Promise<WrittenImage & { readonly path: string }> {
  try {
    await mkdir(dirname(temporary), { recursive: true, mode: 0o700 });
    const erofs = erofsOf(tree);
    await options.beforeWrite?.(erofs.size, dirname(temporary));
    const file = await open(temporary, "wx", 0o600);
    let image: WrittenImage;
    try {
      image = await writeImage(file, erofs, description, options);
    } finally {
      await file.close();
    }
    const path = target(image);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return { ...image, path };
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(temporary, error);
  }
}

/** Beside `path`, hidden, and nobody else's. */
export function temporaryBeside(path: string, unique: string): string {
  return join(dirname(path), `.${basename(path)}.${unique}.new`);
}

/** A failed write as an error that says what to do. What is not the file system's is given back as it is. */
export function writeError(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof LightvError || errno === undefined || errno === "ABORT_ERR") return error;
  const full = errno === "ENOSPC" || errno === "EDQUOT";
  return new LightvError(full ? "LV_DISK_FULL" : "LV_INTERNAL", `can't write ${path}: ${messageOf(error)}`, {
    hint: full ? "free some space, for example `lightv rmi` of images that nothing uses" : "check that the directory is there and writable",
    cause: error,
  });
}
