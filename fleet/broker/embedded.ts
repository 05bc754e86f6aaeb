/** The embedded broker (aedes), with its open defaults closed: docs/protocol.md says what a device may do. */
import type { Duplex } from "node:stream";
import { Aedes, type AuthenticateError, type Client, type ConnectPacket, type PublishPacket, type Subscription } from "aedes";
import { type Channel, MAX_PAYLOAD_BYTES, parseTopic, QOS, topicOf, UP_CHANNELS } from "#agent/wire/topics.ts";
import { mayConnect, mayPublish, maySubscribe } from "./acl.ts";
import type { Admission } from "./admission.ts";
import { bounded } from "./frames.ts";
import { type Listener, type ListenerOptions, listen } from "./listeners.ts";
import type { Broker, BrokerEvents } from "./port.ts";

/** Topic and headers around the largest payload; a little over it, so that what is too large can be rejected and counted by its channel. */
export const MAX_PACKET_BYTES = 4 * MAX_PAYLOAD_BYTES;

export interface EmbeddedOptions {
  readonly listeners: readonly Omit<ListenerOptions, "maxPacketBytes">[];
  readonly admission: Admission;
  /** Whether this is the device's password. */
  checkPassword(device: string, password: string): Promise<boolean>;
}

/** CONNACK return codes (MQTT 3.1.1, table 3.1). */
const BUSY = 3;
const BAD_LOGIN = 4;

export class EmbeddedBroker implements Broker {
  readonly embedded = true;
  readonly #options: EmbeddedOptions;
  readonly #clients = new Map<string, Client>();
  readonly #addresses = new WeakMap<object, string>();
  /** What is wrong with a client's CONNECT; said where the broker can answer it. */
  readonly #wrong = new WeakMap<Client, string | undefined>();
  #listeners: Listener[] = [];
  #aedes: Aedes | undefined;
  #events: BrokerEvents | undefined;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
  }

  /** The ports that were given, by kind; a listener asked for port 0 gets a free one. */
  get ports(): Partial<Record<ListenerOptions["kind"], number>> {
    return Object.fromEntries(this.#listeners.map((listener) => [listener.kind, listener.port]));
  }

  async start(events: BrokerEvents): Promise<void> {
    this.#events = events;
    const aedes = await Aedes.createBroker({
      // A subscriber that does not read holds a slot until drainTimeout: many slots, short time.
      concurrency: 1000,
      drainTimeout: 5_000,
      // Packets that come between CONNECT and the end of its handling; more ends the connection, so not 42.
      queueLimit: 1024,
      connectTimeout: 10_000,
      maxTopicLevels: 7,
      keepaliveLimit: 3_600,
      preConnect: (client, packet, done) => this.#preConnect(client, packet, done),
      authenticate: (client, username, password, done) => this.#authenticate(client, username, password, done),
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => this.#authorizeSubscribe(client, subscription, done),
      authorizeForward: (client, packet) => (maySubscribe(client.id, packet.topic) === undefined ? packet : null),
    });
    this.#aedes = aedes;
    aedes.on("clientReady", (client) => this.#clients.set(client.id, client));
    aedes.on("clientDisconnect", (client) => {
      if (this.#clients.get(client.id) === client) this.#clients.delete(client.id);
    });
    for (const channel of UP_CHANNELS) await this.#subscribe(aedes, channel);
    try {
      for (const options of this.#options.listeners)
        this.#listeners.push(
          await listen({ ...options, maxPacketBytes: MAX_PACKET_BYTES }, (connection, address) => this.#accept(connection, address)),
        );
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const aedes = this.#aedes;
    this.#aedes = undefined;
    const closing = this.#listeners.map((listener) => listener.close());
    this.#listeners = [];
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await Promise.all(closing);
    this.#clients.clear();
  }

  async send(device: string, channel: Channel, payload: string, options: { retain?: boolean } = {}): Promise<void> {
    const packet: PublishPacket = {
      cmd: "publish",
      topic: topicOf(device, channel),
      payload,
      qos: QOS[channel],
      retain: options.retain ?? false,
      dup: false,
    };
    const aedes = this.#aedes;
    // To the one connection, not through the emitter: a device that does not read can only hold up itself.
    if (packet.retain) await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.publish(packet, () => resolve())));
    else {
      const client = this.#clients.get(device);
      await new Promise<void>((resolve) => (client === undefined ? resolve() : client.publish(packet, () => resolve())));
    }
  }

  disconnect(device: string): void {
    this.#clients.get(device)?.close();
  }

  #subscribe(aedes: Aedes, channel: Channel): Promise<void> {
    return new Promise((resolve) => {
      aedes.subscribe(
        `lv/1/+/+/${channel}`,
        (packet, done) => {
          const parsed = parseTopic(packet.topic);
          if (parsed === undefined || this.#events === undefined) {
            done();
            return;
          }
          const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
          void this.#events.onMessage({ device: parsed.device, channel, payload }).finally(done);
        },
        resolve,
      );
    });
  }

  #accept(connection: Duplex, address: string): void {
    const stream = bounded(connection, MAX_PACKET_BYTES, () =>
      this.#events?.onRefused({
        action: "mqtt.frame",
        actor: this.#actor(stream, address),
        detail: `a packet over ${MAX_PACKET_BYTES} bytes`,
      }),
    );
    this.#addresses.set(stream, address);
    this.#aedes?.handle(stream);
  }

  #actor(stream: object, address: string): string {
    for (const [device, client] of this.#clients) if (client.conn === stream) return `device:${device}`;
    return `mqtt:${address}`;
  }

  #preConnect(client: Client, packet: ConnectPacket, done: (error: Error | null, success: boolean) => void): void {
    this.#wrong.set(client, mayConnect(packet));
    // Every session is clean: what must not be lost is numbered and sent again by both sides, so nothing piles up here for a device
    // that is away.
    packet.clean = true;
    done(null, true);
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const refuse = (action: string, returnCode: number, detail: string): void => {
      const actor = `mqtt:${this.#addresses.get(client.conn) ?? "?"}`;
      this.#events?.onRefused({ action, actor, detail: `${username?.slice(0, 64) ?? "(no user name)"}: ${detail}` });
      done(Object.assign(new Error(detail), { returnCode }), null);
    };
    if (!this.#options.admission.admit()) {
      refuse("mqtt.rate", BUSY, "too many connections a second");
      return;
    }
    const wrong = this.#wrong.get(client);
    if (wrong !== undefined) {
      refuse("mqtt.login", BAD_LOGIN, wrong);
      return;
    }
    this.#options.checkPassword(username ?? "", password?.toString("utf8") ?? "").then(
      (good) => (good ? done(null, true) : refuse("mqtt.login", BAD_LOGIN, "wrong password, or no such device")),
      () => refuse("mqtt.login", BUSY, "the password could not be checked"),
    );
  }

  #authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const wrong = client === null ? undefined : mayPublish(client.id, packet.topic, packet.retain);
    if (wrong !== undefined)
      this.#events?.onRefused({ action: "mqtt.publish", actor: `device:${client?.id}`, detail: `${packet.topic.slice(0, 256)}: ${wrong}` });
    done(wrong === undefined ? null : new Error(wrong));
  }

  #authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, subscription?: Subscription | null) => void,
  ): void {
    const wrong = maySubscribe(client.id, subscription.topic);
    if (wrong !== undefined) this.#events?.onRefused({ action: "mqtt.subscribe", actor: `device:${client.id}`, detail: wrong });
    done(null, wrong === undefined ? { ...subscription, qos: subscription.qos === 0 ? 0 : 1 } : null);
  }
}
