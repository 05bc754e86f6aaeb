/**
 * Content-defined chunks (FastCDC with normalised chunking, docs/image-format.md): a cut depends on the 32 bytes before it, so that an
 * edit moves the cuts near it and no others. Cuts and digests are part of the format: a change here is a new version of it.
 */
import { createHash } from "node:crypto";
import { CHUNK_ENTRY_BYTES } from "./header.ts";

export const MIN_CHUNK = 16 * 1024;
export const WANTED_CHUNK = 64 * 1024;
export const MAX_CHUNK = 256 * 1024;
/** 18 and 14 high bits: a cut is four times less likely than wanted before WANTED_CHUNK, and four times likelier after it. */
const MASK_BEFORE = 0xffff_c000 | 0;
const MASK_AFTER = 0xfffc_0000 | 0;

function makeGear(): Int32Array {
  const gear = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) gear[byte] = createHash("sha256").update(`lightv-gear-${byte}`).digest().readInt32LE(0);
  return gear;
}

const GEAR: Int32Array = makeGear();

/** The length of the first chunk of `bytes` from `start`, which goes to `end`; `end` must be the data's end or MAX_CHUNK away. */
export function cutPoint(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length <= MIN_CHUNK) return length;
  const limit = start + Math.min(length, MAX_CHUNK);
  const turn = start + Math.min(length, WANTED_CHUNK);
  let hash = 0;
  let at = start + MIN_CHUNK;
  for (; at < turn; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & MASK_BEFORE) === 0) return at + 1 - start;
  }
  for (; at < limit; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & MASK_AFTER) === 0) return at + 1 - start;
  }
  return limit - start;
}

/** Takes the bytes of a file from `offset` on, in pieces of any size, and gives its chunk table. */
export class Chunker {
  #offset: number;
  readonly #entries: Buffer[] = [];
  readonly #pending = Buffer.allocUnsafe(4 * MAX_CHUNK);
  #filled = 0;

  constructor(offset: number) {
    this.#offset = offset;
  }

  push(bytes: Uint8Array): void {
    for (let taken = 0; taken < bytes.length; ) {
      const room = Math.min(this.#pending.length - this.#filled, bytes.length - taken);
      this.#pending.set(bytes.subarray(taken, taken + room), this.#filled);
      this.#filled += room;
      taken += room;
      if (this.#filled === this.#pending.length) this.#cut(MAX_CHUNK);
    }
  }

  /** The table's bytes. */
  finish(): Buffer {
    this.#cut(1);
    return Buffer.concat(this.#entries);
  }

  /** Cuts as long as at least `least` bytes wait: with less than MAX_CHUNK a cut might come out otherwise once more is known. */
  #cut(least: number): void {
    let start = 0;
    while (this.#filled - start >= least) {
      const length = cutPoint(this.#pending, start, this.#filled);
      this.#entries.push(chunkEntry(this.#offset, this.#pending.subarray(start, start + length)));
      this.#offset += length;
      start += length;
    }
    this.#pending.copyWithin(0, start, this.#filled);
    this.#filled -= start;
  }
}

function chunkEntry(offset: number, chunk: Uint8Array): Buffer {
  const entry = Buffer.alloc(CHUNK_ENTRY_BYTES);
  entry.writeBigUInt64LE(BigInt(offset), 0);
  entry.writeUInt32LE(chunk.length, 8);
  createHash("sha256").update(chunk).digest().copy(entry, 16);
  return entry;
}
