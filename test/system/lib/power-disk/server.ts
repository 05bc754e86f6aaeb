/** The disk over NBD on a Unix socket: requests are served side by side, as a disk with a queue does. */
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import type { CutMode } from "./log.ts";
import { negotiate } from "./negotiate.ts";
import {
  COMMAND,
  COMMAND_FLAG_FUA,
  ERROR,
  MAX_REQUEST_BYTES,
  parseRequest,
  REQUEST_HEADER_BYTES,
  type Request,
  SECTOR_BYTES,
  simpleReply,
} from "./protocol.ts";
import { ByteReader } from "./reader.ts";
import { type CutReport, PowerLost, type VolatileDisk } from "./store.ts";

/** A trim is a hint: a short one makes zeros (that a cut may lose), a long one nothing, which a disk may do too. */
const MOST_TRIM_BYTES = 1024 * 1024;

export class DiskServer {
  readonly disk: VolatileDisk;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #onProblem: (text: string) => void;
  #endWait: () => void = () => undefined;

  constructor(disk: VolatileDisk, onProblem: (text: string) => void) {
    this.disk = disk;
    this.#onProblem = onProblem;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(path: string): Promise<void> {
    await rm(path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(path, resolve);
    await promise;
  }

  /** Power loss: nobody hears of anything any more, and the cache loses what the seed says. The next connection finds what is left. */
  async cut(seed: number, mode: CutMode): Promise<CutReport> {
    this.#hangUp();
    return this.disk.cut(seed, mode);
  }

  /** As cut(), but undecided: see VolatileDisk. */
  async freeze(): Promise<void> {
    this.#hangUp();
    await this.disk.freeze();
  }

  /**
   * freeze() in the very moment in which so many more writes have come, and the cache then holds at least `unflushed`. Resolves then, or at
   * an earlier freeze or cut.
   */
  async freezeAt(writes: number, unflushed = 0): Promise<void> {
    const { disk } = this;
    const target = disk.stats.writes + writes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endWait = resolve;
    disk.onWrite = (count) => {
      if (count < target || disk.unflushedWrites < unflushed) return;
      this.#hangUp();
      resolve();
    };
    await promise;
    await disk.freeze();
  }

  /** Orderly: what is in the cache becomes durable. */
  async close(): Promise<void> {
    this.#hangUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
    await this.disk.close();
  }

  #hangUp(): void {
    this.disk.onWrite = () => undefined;
    this.#endWait();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    this.#serve(socket)
      .catch((error: unknown) => {
        // A client that is killed in the middle of a request is no problem of the disk.
        if (!socket.destroyed) this.#onProblem(String(error));
      })
      .finally(() => socket.destroy());
  }

  async #serve(socket: Socket): Promise<void> {
    const reader = new ByteReader(socket);
    if (!(await negotiate(socket, reader, this.disk.bytes))) return;
    for (;;) {
      const head = await reader.read(REQUEST_HEADER_BYTES);
      if (head === undefined) return;
      const request = parseRequest(head);
      if (request.type === COMMAND.disconnect) return;
      const payload = request.type === COMMAND.write ? await this.#payload(reader, request) : Buffer.alloc(0);
      // Destroyed by a cut: what has arrived since was never acknowledged.
      if (payload === undefined || socket.destroyed) return;
      this.#answer(socket, request, payload);
    }
  }

  async #payload(reader: ByteReader, { length }: Request): Promise<Buffer | undefined> {
    if (length > MAX_REQUEST_BYTES) throw new Error(`a write of ${length} bytes`);
    return reader.read(length);
  }

  #answer(socket: Socket, request: Request, payload: Buffer): void {
    this.#perform(request, payload).then(
      (data) => reply(socket, request, ERROR.none, data),
      (error: unknown) => {
        if (error instanceof PowerLost) return;
        if (error instanceof RefusedRequest) return reply(socket, request, error.code);
        this.#onProblem(String(error));
        reply(socket, request, ERROR.io);
      },
    );
  }

  async #perform({ type, flags, offset, length }: Request, payload: Buffer): Promise<Buffer | undefined> {
    const { disk } = this;
    if (type === COMMAND.flush) return void (await disk.flush());
    if (!(Object.values(COMMAND) as number[]).includes(type)) throw new RefusedRequest(ERROR.invalid);
    if (offset % SECTOR_BYTES !== 0 || length % SECTOR_BYTES !== 0) throw new RefusedRequest(ERROR.invalid);
    if (offset + length > disk.bytes) throw new RefusedRequest(type === COMMAND.write ? ERROR.noSpace : ERROR.invalid);
    const isDurable = (flags & COMMAND_FLAG_FUA) !== 0;
    if (type === COMMAND.read) {
      if (length > MAX_REQUEST_BYTES) throw new RefusedRequest(ERROR.invalid);
      return disk.read(offset, length);
    }
    if (type === COMMAND.write) return void (await disk.write(offset, payload, isDurable));
    if (type === COMMAND.trim) {
      disk.stats.trimmedBytes += length;
      if (length > MOST_TRIM_BYTES) return undefined;
    }
    for (let at = 0; at < length; at += MAX_REQUEST_BYTES)
      await disk.write(offset + at, Buffer.alloc(Math.min(MAX_REQUEST_BYTES, length - at)), isDurable);
    return undefined;
  }
}

class RefusedRequest extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`error ${code}`);
    this.code = code;
  }
}

function reply(socket: Socket, { cookie }: Request, error: number, data?: Buffer): void {
  if (socket.destroyed) return;
  socket.cork();
  socket.write(simpleReply(cookie, error));
  if (data !== undefined) socket.write(data);
  process.nextTick(() => socket.uncork());
}
