/** Reads exact numbers of bytes from a stream. */
import type { Readable } from "node:stream";

export class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Readable) {
    this.#source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Undefined when the stream ends before. What it gives is not used by anybody else. */
  async read(length: number): Promise<Buffer | undefined> {
    while (this.#bytes < length) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#pieces.push(next.value);
      this.#bytes += next.value.length;
    }
    this.#bytes -= length;
    const first = this.#pieces[0];
    if (first !== undefined && first.length > length) {
      this.#pieces[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    return this.#take(length);
  }

  #take(length: number): Buffer {
    const taken: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = this.#pieces.shift() ?? Buffer.alloc(0);
      if (piece.length > left) this.#pieces.unshift(piece.subarray(left));
      taken.push(piece.subarray(0, Math.min(left, piece.length)));
      left -= Math.min(left, piece.length);
    }
    return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken, length);
  }
}
