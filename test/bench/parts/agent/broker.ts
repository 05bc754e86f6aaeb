/** A broker that lets anybody say anything, in the bench: it sees each message at the moment it comes. */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import type { Channel } from "#agent/wire/topics.ts";
import { parseTopic } from "#agent/wire/topics.ts";
import { freePort } from "#test/lib/world.ts";

export class WatchedBroker {
  readonly url: string;
  readonly #broker: Aedes;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  /** Told before a message is forwarded: its channel, and nanoseconds of the monotonic clock. */
  onMessage: (channel: Channel, at: bigint) => void = () => undefined;

  private constructor(url: string, broker: Aedes, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#broker = broker;
    this.#server = server;
    this.#sockets = sockets;
    broker.authorizePublish = (_client, packet, callback) => {
      const channel = parseTopic(packet.topic)?.channel;
      if (channel !== undefined) this.onMessage(channel, process.hrtime.bigint());
      callback(null);
    };
  }

  static async start(): Promise<WatchedBroker> {
    const port = await freePort();
    const broker = await Aedes.createBroker();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.once("close", () => sockets.delete(socket)));
      broker.handle(socket);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return new WatchedBroker(`mqtt://127.0.0.1:${port}`, broker, server, sockets);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await new Promise<void>((resolve) => this.#broker.close(() => resolve()));
  }
}
