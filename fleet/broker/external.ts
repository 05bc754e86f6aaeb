/** Any other MQTT 3.1.1 broker, as one of its clients. That broker authenticates devices and keeps them to their topics. */
import mqtt, { type MqttClient } from "mqtt";
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

export class ExternalBroker implements Broker {
  readonly embedded = false;
  readonly #options: ExternalOptions;
  readonly #pending = new Set<Promise<void>>();
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
    // The PUBACK waits for this callback, so a broker that keeps what is not acknowledged keeps it until it is committed.
    client.handleMessage = (packet, done) => {
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
      if (packet.qos === 0) done();
      else void work.finally(() => done());
    };
    await client.subscribeAsync(Object.fromEntries(UP_CHANNELS.map((channel) => [`lv/1/+/+/${channel}`, { qos: QOS[channel] }])));
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.endAsync(false);
    await Promise.all(this.#pending);
  }

  async send(device: string, channel: Channel, payload: string, options: { retain?: boolean } = {}): Promise<void> {
    await this.#client
      ?.publishAsync(topicOf(device, channel), payload, { qos: QOS[channel], retain: options.retain ?? false })
      .catch(() => undefined);
  }

  /** The broker is another's: its connections are its own affair; a removed device's messages are refused by ingest. */
  disconnect(): void {}
}
