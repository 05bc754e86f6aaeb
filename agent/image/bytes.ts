/** Reads a byte stream by counts. */
import { LightvError } from "#agent/lib/errors.ts";

const EMPTY = Buffer.alloc(0);

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = EMPTY;
  /** Bytes given so far. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next piece, at most `most` bytes; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) return undefined;
      this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    this.position += piece.length;
    return piece;
  }

  /** Exactly `count` bytes; fewer only when the stream ends before. */
  async exactly(count: number): Promise<Buffer> {
    const first = await this.some(count);
    if (first === undefined || first.length === count) return first ?? EMPTY;
    const pieces = [first];
    for (let have = first.length; have < count; ) {
      const piece = await this.some(count - have);
      if (piece === undefined) break;
      pieces.push(piece);
      have += piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** Gives back what has been read last, so that it is read again. */
  unread(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([bytes, this.#rest]);
    this.position -= bytes.length;
  }

  /** The rest of the stream. */
  async *all(): AsyncGenerator<Buffer> {
    for (let piece = await this.some(1 << 20); piece !== undefined; piece = await this.some(1 << 20)) yield piece;
  }

  /** Ends the source early, so that what feeds it can stop. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

/** The bytes of a stream that must not be long. Throws LV_USAGE when it is longer. */
export async function collect(source: AsyncIterable<Uint8Array>, most: number, what: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    length += piece.length;
    if (length > most)
      throw new LightvError("LV_USAGE", `${what} is longer than ${most} bytes`, { hint: "check that it is what it should be" });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
