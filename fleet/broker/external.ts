/** Any other MQTT 3.1.1 broker, as one of its clients. That broker authenticates devices and keeps them to their topics. */
import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { type Channel, parseTopic, QOS, topicOf, UP_CHANNELS } from "#agent/wire/topics.ts";
import { isUpChannel } from "./acl.ts";
import type { Broker, BrokerEvents } from "./port.ts";

export interface ExternalOptions {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly ca: Buffer | undefined;
  readonly clientId: string;
}

/** Messages at work: enough for a transaction to serve many. */
const MAX_PENDING = 256;

export class ExternalBroker implements Broker {
  readonly embedded = false;
  readonly #options: ExternalOptions;
  /** Messages that are being dealt with. */
  readonly #pending = new Set<Promise<void>>();
  /** Gives up each message that the broker has not taken yet. */
  readonly #sending = new Set<() => void>();
  #client: MqttClient | undefined;

  constructor(options: ExternalOptions) {
    this.#options = options;
  }

  /** Throws LV_UNAVAILABLE when the first connection fails; later ones are made again for ever. */
  async start(events: BrokerEvents): Promise<void> {
    const { url, username, password, ca, clientId } = this.#options;
    const client = await mqtt
      .connectAsync(
        url,
        {
          clientId,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
          ...(ca === undefined ? {} : { ca: [ca] }),
          clean: true,
          protocolVersion: 4,
          resubscribe: true,
          queueQoSZero: false,
        },
        false,
      )
      .catch((error: unknown) => {
        throw new LightvError("LV_UNAVAILABLE", `cannot connect to the broker ${url}: ${messageOf(error)}`, {
          hint: "check mqtt.url, mqtt.username, mqtt.password-file and mqtt.ca-file",
          cause: error,
        });
      });
    this.#client = client;
    client.on("error", () => undefined);
    client.on("close", () => {
      for (const give of this.#sending) give();
    });
    client.handleMessage = (packet, done) => this.#take(events, packet, done);
    await client.subscribeAsync(Object.fromEntries(UP_CHANNELS.map((channel) => [`lv/1/+/+/${channel}`, { qos: QOS[channel] }])));
    client.on("connect", () => events.onConnected());
    events.onConnected();
  }

  /** mqtt.js reads on when `done` is called: not before there is room, but without waiting for each commit. */
  #take(events: BrokerEvents, packet: IPublishPacket, done: () => void): void {
    const parsed = parseTopic(packet.topic);
    if (parsed === undefined || !isUpChannel(parsed.channel)) {
      done();
      return;
    }
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const work = events.onMessage({ device: parsed.device, channel: parsed.channel, payload }).finally(() => {
      this.#pending.delete(work);
    });
    this.#pending.add(work);
    if (this.#pending.size < MAX_PENDING) done();
    else void Promise.race(this.#pending).finally(() => done());
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.endAsync(!client.connected);
    await Promise.all(this.#pending);
  }

  async send(device: string, channel: Channel, payload: string, options: { retain?: boolean } = {}): Promise<void> {
    const client = this.#client;
    // It would wait in memory, and its sender with it, for a broker that may be away for days; onConnected makes up for it.
    if (client?.connected !== true) return;
    const { promise: cut, resolve: give } = Promise.withResolvers<void>();
    this.#sending.add(give);
    const sent = client.publishAsync(topicOf(device, channel), payload, { qos: QOS[channel], retain: options.retain ?? false });
    await Promise.race([sent.catch(() => undefined), cut]);
    this.#sending.delete(give);
  }

  /** The broker is another's: its connections are its own affair; a removed device's messages are refused by ingest. */
  disconnect(): void {}
}
