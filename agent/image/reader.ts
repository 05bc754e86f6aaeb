/** Reads what the agent's store needs of a `.lv` file: header, manifest, chunk table. The native reader is the judge of the rest. */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { LightvError } from "#agent/lib/errors.ts";
import { broken, CHUNK_ENTRY_BYTES, HEADER_BYTES, type Header, MAX_CHUNK_BYTES, parseHeader } from "./header.ts";
import { digestOf, type Manifest, parseManifest } from "./manifest.ts";

export interface ImageHead {
  readonly digest: string;
  readonly header: Header;
  readonly manifest: Manifest;
}

/** Throws LV_IMAGE_BROKEN; ENOENT as it comes. */
export async function readImageHead(path: string): Promise<ImageHead> {
  const file = await open(path, "r");
  try {
    const header = parseHeader(await readAt(file, 0, HEADER_BYTES));
    const { size } = await file.stat();
    if (size !== header.fileSize) throw broken(`its header says it has ${header.fileSize} bytes, and it has ${size}`);
    const bytes = await readAt(file, header.manifest.offset, header.manifest.length);
    return { digest: digestOf(bytes), header, manifest: checkManifest(header, bytes) };
  } finally {
    await file.close();
  }
}

/** The manifest's bytes against the header. Throws LV_IMAGE_BROKEN. */
export function checkManifest(header: Header, bytes: Uint8Array): Manifest {
  const manifest = parseManifest(bytes);
  if (manifest.erofs.size !== header.erofs.length) throw broken("the manifest and the header differ in the size of the file system");
  if (manifest.chunks.size !== header.chunks.length || manifest.chunks.count * CHUNK_ENTRY_BYTES !== header.chunks.length)
    throw broken("the manifest and the header differ in the size of the chunk table");
  return manifest;
}

/** A chunk table as bytes: an image of a gigabyte has 16,000 entries, which as objects would take megabytes. */
export class ChunkTable {
  readonly #bytes: Buffer;

  /** Checks digest, order and coverage. Throws LV_IMAGE_DIGEST, LV_IMAGE_BROKEN. */
  constructor(bytes: Buffer, manifest: Manifest) {
    this.#bytes = bytes;
    if (digestOf(bytes) !== manifest.chunks.digest)
      throw new LightvError("LV_IMAGE_DIGEST", "the chunk table is not what the image's manifest says", {
        hint: "build or fetch the image again",
      });
    let at = HEADER_BYTES;
    for (let index = 0; index < this.count; index++) {
      const length = this.length(index);
      if (this.offset(index) !== at || length < 1 || length > MAX_CHUNK_BYTES || bytes.readUInt32LE(index * CHUNK_ENTRY_BYTES + 12) !== 0)
        throw broken(`chunk ${index} is out of order`);
      at += length;
    }
    if (at !== manifest.erofs.size) throw broken("the chunks do not cover the file system");
  }

  get count(): number {
    return this.#bytes.length / CHUNK_ENTRY_BYTES;
  }

  /** In the file. */
  offset(index: number): number {
    return Number(this.#bytes.readBigUInt64LE(index * CHUNK_ENTRY_BYTES));
  }

  length(index: number): number {
    return this.#bytes.readUInt32LE(index * CHUNK_ENTRY_BYTES + 8);
  }

  /** SHA-256, 32 bytes; a view, not a copy. */
  hash(index: number): Buffer {
    return this.#bytes.subarray(index * CHUNK_ENTRY_BYTES + 16, (index + 1) * CHUNK_ENTRY_BYTES);
  }
}

export async function readChunkTable(file: FileHandle, { header, manifest }: Pick<ImageHead, "header" | "manifest">): Promise<ChunkTable> {
  return new ChunkTable(await readAt(file, header.chunks.offset, header.chunks.length), manifest);
}

/** Throws LV_IMAGE_BROKEN when the file ends before. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw broken(`it ends at byte ${offset + done}`);
    done += bytesRead;
  }
  return buffer;
}
