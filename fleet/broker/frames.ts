/**
 * Bounds MQTT packets before the broker sees them. The parser below it collects a packet whole, up to the protocol's 256 MiB, also
 * before anybody has shown a password: a few connections would fill the memory.
 */
import { Duplex } from "node:stream";

/** Follows the packets in a byte stream by their fixed headers (MQTT 3.1.1, 2.2) and says when one is too long. Pure but for its position. */
export class FrameMeter {
  readonly #limit: number;
  #body = 0;
  #length = 0;
  #shift = -1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when a packet over the limit, or a header that is none, begins in these bytes. */
  accept(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body > 0) {
        const step = Math.min(this.#body, chunk.length - at);
        this.#body -= step;
        at += step;
      } else if (this.#shift < 0) {
        this.#shift = 0;
        this.#length = 0;
        at += 1;
      } else {
        const byte = chunk[at] ?? 0;
        at += 1;
        this.#length += (byte & 127) * 2 ** this.#shift;
        this.#shift += 7;
        if (this.#length > this.#limit || (byte >= 128 && this.#shift > 21)) return false;
        if (byte < 128) {
          this.#body = this.#length;
          this.#shift = -1;
        }
      }
    }
    return true;
  }
}

/**
 * read() gives all that is there. Since Node 26 a Readable gives one chunk a call, and aedes calls once for each "readable": what came
 * in several chunks (a WebSocket frame each, or a large packet) would lie there until more comes.
 */
class WholeReads extends Duplex {
  override read(size?: number | null): Buffer | null {
    if (size !== undefined && size !== null) return super.read(size) as Buffer | null;
    const parts: Buffer[] = [];
    for (let part = super.read() as Buffer | null; part !== null; part = super.read() as Buffer | null) parts.push(part);
    return parts.length > 1 ? Buffer.concat(parts) : (parts[0] ?? null);
  }
}

/** The connection, with every packet from the other side bounded. Ends with an error when one is not. */
export function bounded(inner: Duplex, limit: number, onTooLong: () => void): Duplex {
  const meter = new FrameMeter(limit);
  const outer = new WholeReads({
    read: () => inner.resume(),
    write: (chunk, _encoding, done) => {
      if (inner.destroyed) done();
      else if (inner.write(chunk)) done();
      else inner.once("drain", done);
    },
    final: (done) => {
      inner.end(done);
    },
    destroy: (error, done) => {
      inner.destroy();
      done(error);
    },
  });
  inner.on("data", (chunk: Buffer) => {
    if (!meter.accept(chunk)) {
      onTooLong();
      outer.destroy(new Error(`a packet over ${limit} bytes`));
    } else if (!outer.push(chunk)) inner.pause();
  });
  inner.on("end", () => outer.push(null));
  inner.on("error", (error) => outer.destroy(error));
  inner.on("close", () => outer.destroy());
  return outer;
}
