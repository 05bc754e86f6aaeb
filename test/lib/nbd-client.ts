/** A small NBD client, to ask a disk the way a machine would: one connection, any number of requests at once. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { COMMAND, COMMAND_FLAG_FUA, OPTION } from "#test/system/lib/power-disk/protocol.ts";
import { ByteReader } from "#test/system/lib/power-disk/reader.ts";

interface Waiting {
  readonly bytes: number;
  readonly resolve: (data: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class NbdClient {
  readonly bytes: number;
  readonly #socket: Socket;
  readonly #waiting = new Map<bigint, Waiting>();
  #cookie = 0n;

  private constructor(socket: Socket, reader: ByteReader, bytes: number) {
    this.#socket = socket;
    this.bytes = bytes;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the connection is gone"));
      this.#waiting.clear();
    });
    void this.#listen(reader);
  }

  static async connect(path: string): Promise<NbdClient> {
    const socket = connect(path);
    await once(socket, "connect");
    const reader = new ByteReader(socket);
    await reader.read(18);
    const hello = Buffer.alloc(4 + 16);
    hello.writeUInt32BE(3, 0);
    hello.write("IHAVEOPT", 4, "latin1");
    hello.writeUInt32BE(OPTION.exportName, 12);
    socket.write(hello);
    const answer = await reader.read(10);
    if (answer === undefined) throw new Error("the server hung up");
    return new NbdClient(socket, reader, Number(answer.readBigUInt64BE(0)));
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#ask(COMMAND.read, 0, offset, length);
  }

  async write(offset: number, data: Buffer, isDurable = false): Promise<void> {
    await this.#ask(COMMAND.write, isDurable ? COMMAND_FLAG_FUA : 0, offset, data.length, data);
  }

  async flush(): Promise<void> {
    await this.#ask(COMMAND.flush, 0, 0, 0);
  }

  async trim(offset: number, length: number): Promise<void> {
    await this.#ask(COMMAND.trim, 0, offset, length);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.#ask(COMMAND.writeZeroes, 0, offset, length);
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(type: number, flags: number, offset: number, length: number, payload?: Buffer): Promise<Buffer> {
    const cookie = this.#cookie++;
    const head = Buffer.alloc(28);
    head.writeUInt32BE(0x25609513, 0);
    head.writeUInt16BE(flags, 4);
    head.writeUInt16BE(type, 6);
    head.writeBigUInt64BE(cookie, 8);
    head.writeBigUInt64BE(BigInt(offset), 16);
    head.writeUInt32BE(length, 24);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.set(cookie, { bytes: type === COMMAND.read ? length : 0, resolve, reject });
    this.#socket.write(payload === undefined ? head : Buffer.concat([head, payload]));
    return promise;
  }

  async #listen(reader: ByteReader): Promise<void> {
    try {
      for (let head = await reader.read(16); head !== undefined; head = await reader.read(16)) {
        const waiting = this.#waiting.get(head.readBigUInt64BE(8));
        this.#waiting.delete(head.readBigUInt64BE(8));
        const error = head.readUInt32BE(4);
        if (waiting === undefined) throw new Error("an answer that nobody waits for");
        if (error !== 0) waiting.reject(new Error(`error ${error}`));
        else waiting.resolve(Buffer.from((await reader.read(waiting.bytes)) ?? Buffer.alloc(0)));
      }
    } catch {
      // A cut: "close" tells who waits.
    }
    this.#socket.destroy();
  }
}
