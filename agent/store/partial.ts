/**
 * A `.lv` file that is not whole yet. Chunks lie at their final places; which of them are there is told by their SHA-256 alone, and no
 * journal has to be believed after a power cut. Only what the digest binds is ever kept: the header is written anew.
 */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { encodeHeader, HEADER_BYTES, type Header, layOut, parseHeader } from "#agent/image/header.ts";
import { digestOf, type Manifest } from "#agent/image/manifest.ts";
import { ChunkTable, checkManifest, readAt } from "#agent/image/reader.ts";
import { isLightvError, LightvError } from "#agent/lib/errors.ts";

export interface Head {
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly table: ChunkTable;
  readonly tableBytes: Buffer;
}

/** Checks what a file, or a server, gives as its head against the digest. Throws LV_IMAGE_DIGEST, LV_IMAGE_BROKEN. */
export function checkHead(digest: string, header: Header, manifestBytes: Buffer, tableBytes: Buffer): Head {
  if (digestOf(manifestBytes) !== digest)
    throw new LightvError("LV_IMAGE_DIGEST", `what is fetched is not the image ${digest}`, {
      hint: "check the server, and the digest in the desired state",
    });
  const manifest = checkManifest(header, manifestBytes);
  return { manifest, manifestBytes, table: new ChunkTable(tableBytes, manifest), tableBytes };
}

export class Partial {
  readonly file: FileHandle;
  readonly head: Head;
  readonly header: Header;
  /** One byte a chunk: 1 when it is there and checked. */
  readonly #present: Uint8Array;
  presentBytes = 0;

  constructor(file: FileHandle, head: Head) {
    this.file = file;
    this.head = head;
    this.header = layOut(head.manifest.erofs.size, head.manifestBytes.length, head.tableBytes.length);
    this.#present = new Uint8Array(head.table.count);
  }

  /** The head goes into the file at once, so that a resumed download need not ask for it. */
  async begin(): Promise<void> {
    await this.file.truncate(this.header.erofs.length);
    await writeFully(this.file, this.head.manifestBytes, this.header.manifest.offset);
    await writeFully(this.file, this.head.tableBytes, this.header.chunks.offset);
    await this.file.truncate(this.header.fileSize);
    await writeFully(this.file, encodeHeader(this.header), 0);
  }

  has(index: number): boolean {
    return this.#present[index] === 1;
  }

  missing(): number[] {
    return Array.from(this.#present.keys()).filter((index) => !this.has(index));
  }

  /** Looks which chunks the file has. */
  async scan(signal: AbortSignal): Promise<void> {
    const { table } = this.head;
    for (let index = 0; index < table.count; index++) {
      signal.throwIfAborted();
      if (this.matches(index, await readAt(this.file, table.offset(index), table.length(index)))) this.#mark(index);
    }
  }

  matches(index: number, bytes: Uint8Array): boolean {
    return createHash("sha256").update(bytes).digest().equals(this.head.table.hash(index));
  }

  /** `bytes` have been checked. */
  async put(index: number, bytes: Uint8Array): Promise<void> {
    if (this.has(index)) return;
    await writeFully(this.file, bytes, this.head.table.offset(index));
    this.#mark(index);
  }

  #mark(index: number): void {
    this.#present[index] = 1;
    this.presentBytes += this.head.table.length(index);
  }
}

export async function openPartial(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Neither truncating nor exclusive: what an earlier try has fetched is in it.
  return open(path, "r+", 0o600).catch(() => open(path, "w+", 0o600));
}

/** The head of an earlier try, when its file has it whole. */
export async function readOwnHead(file: FileHandle, digest: string): Promise<Head | undefined> {
  try {
    const header = parseHeader(await readAt(file, 0, HEADER_BYTES));
    const manifest = await readAt(file, header.manifest.offset, header.manifest.length);
    return checkHead(digest, header, manifest, await readAt(file, header.chunks.offset, header.chunks.length));
  } catch (error) {
    if (isLightvError(error, "LV_IMAGE_BROKEN") || isLightvError(error, "LV_IMAGE_DIGEST")) return undefined;
    throw error;
  }
}

export async function writeFully(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}
