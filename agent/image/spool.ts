/** A file without a name that others see, in which the contents of entries wait until the image is written. */
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Content } from "./tree.ts";
import { writeError } from "./writer.ts";

export class Spool {
  readonly #path: string;
  #file: FileHandle | undefined;
  #end = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Keeps a stream's bytes. Throws LV_DISK_FULL. */
  async add(source: AsyncIterable<Buffer>): Promise<Content> {
    const offset = this.#end;
    for await (const bytes of source) await this.#write(bytes, this.#end);
    return { path: this.#path, offset, length: this.#end - offset };
  }

  /** Keeps a sparse file: its pieces from `source`, holes between them. */
  async addSparse(source: AsyncIterable<Buffer>, size: number, pieces: readonly { offset: number; length: number }[]): Promise<Content> {
    const offset = this.#end;
    const todo = pieces.map((piece) => ({ ...piece }));
    for await (const bytes of source) {
      for (let taken = 0; taken < bytes.length; ) {
        const piece = todo[0];
        if (piece === undefined) break;
        const part = bytes.subarray(taken, taken + piece.length);
        await this.#write(part, offset + piece.offset);
        taken += part.length;
        piece.offset += part.length;
        piece.length -= part.length;
        if (piece.length === 0) todo.shift();
      }
    }
    await (await this.#open()).truncate(offset + size);
    this.#end = offset + size;
    return { path: this.#path, offset, length: size };
  }

  async #write(bytes: Buffer, at: number): Promise<void> {
    const file = await this.#open();
    try {
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    } catch (error) {
      throw writeError(this.#path, error);
    }
    this.#end = Math.max(this.#end, at + bytes.length);
  }

  async #open(): Promise<FileHandle> {
    if (this.#file === undefined) {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#file = await open(this.#path, "wx", 0o600);
    }
    return this.#file;
  }

  /** Removes the file. Also after a failure. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await rm(this.#path, { force: true });
  }
}
