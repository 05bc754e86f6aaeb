/** A device as the controller sees one: an mqtt.js client that speaks the protocol by hand, so that tests can also break it. */
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { EnrollResponse } from "#agent/wire/protocol/enroll.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import { type Channel, DOWN_CHANNELS, parseTopic, QOS, topicOf } from "#agent/wire/topics.ts";

export const BOOT = "0d7a8c9e-1f2b-4c3d-8e5f-6a7b8c9d0e1f";

export function at(): string {
  return new Date().toISOString();
}

export function event(seq: number, type = "app.started", more: Partial<DeviceEvent> = {}): DeviceEvent {
  return { seq, bootId: BOOT, uptimeMs: seq * 10, at: "2026-11-24T10:00:00.000Z", type, data: { n: seq }, ...more };
}

export interface Received {
  readonly channel: Channel;
  readonly retain: boolean;
  readonly message: Record<string, unknown>;
}

export interface DeviceOptions extends Partial<IClientOptions> {
  readonly session?: number;
  readonly bootId?: string;
  /** Do not subscribe, do not say that we are there. */
  readonly silent?: boolean;
}

export class MqttDevice {
  readonly id: string;
  readonly client: MqttClient;
  readonly received: Received[] = [];
  readonly #wakes = new Set<() => void>();
  readonly #session: number;
  readonly #bootId: string;

  constructor(id: string, client: MqttClient, session: number, bootId = BOOT) {
    this.id = id;
    this.client = client;
    this.#session = session;
    this.#bootId = bootId;
    client.on("error", () => undefined);
    client.on("message", (topic, payload, packet) => {
      const channel = parseTopic(topic)?.channel;
      if (channel === undefined || payload.length === 0) return;
      this.received.push({ channel, retain: packet.retain, message: JSON.parse(payload.toString("utf8")) as Record<string, unknown> });
      for (const wake of this.#wakes) wake();
    });
  }

  publish(channel: Channel, message: unknown, retain = false): Promise<unknown> {
    const payload = typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message);
    return this.client.publishAsync(topicOf(this.id, channel), payload, { qos: QOS[channel], retain });
  }

  status(online: boolean, session = this.#session): Promise<unknown> {
    return this.publish("status", { session, online, bootId: this.#bootId, agentVersion: "0.1.0", at: at() }, true);
  }

  reported(n: number, desiredRevision: number, more: object = {}): Promise<unknown> {
    return this.publish("reported", { bootId: BOOT, n, at: at(), desiredRevision, apps: [], rejectedMessages: 0, lostEvents: 0, ...more });
  }

  events(...events: DeviceEvent[]): Promise<unknown> {
    return this.publish("event", { events });
  }

  /** The first message of a channel (from `from` on, in the order of arrival) for which `match` holds. */
  async next(channel: Channel, match: (message: Record<string, unknown>) => boolean = () => true, timeoutMs = 15_000): Promise<Received> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const found = this.received.find((received) => received.channel === channel && match(received.message));
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`no such ${channel} message came: ${JSON.stringify(this.received.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#wakes.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.max(1, end - Date.now()));
        this.#wakes.add(wake);
      });
    }
  }

  of(channel: Channel): Record<string, unknown>[] {
    return this.received.filter((received) => received.channel === channel).map(({ message }) => message);
  }

  /** In order: says that it goes. A second time does nothing. */
  async leave(): Promise<void> {
    if (this.client.connected) await this.status(false);
    await this.end();
  }

  /** Without a word; mqtt.js never calls back for a client that has ended already. */
  async end(): Promise<void> {
    if (!this.client.disconnecting && !this.client.disconnected) await this.client.endAsync(true);
  }

  /** As when the power goes: no DISCONNECT, so the will is sent. */
  async vanish(): Promise<void> {
    const closed = closedOf(this);
    this.client.stream.destroy();
    await closed;
    await this.end();
  }
}

/** Resolves when the connection has ended. */
export function closedOf({ client }: MqttDevice): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

/** Connects, subscribes, says that it is there. Rejects when the broker refuses. */
export async function connectDevice(credentials: EnrollResponse, options: DeviceOptions = {}): Promise<MqttDevice> {
  const { session = 1, bootId = BOOT, silent = false, ...more } = options;
  const { device, password, mqttUrl } = credentials;
  const will = { session, online: false, bootId, agentVersion: "0.1.0", at: at() };
  const client = mqtt.connect(mqttUrl, {
    clientId: device,
    username: device,
    password,
    clean: true,
    protocolVersion: 4,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    will: { topic: topicOf(device, "status"), payload: Buffer.from(JSON.stringify(will)), qos: 1, retain: true },
    ...more,
  });
  const found = new MqttDevice(device, client, session, bootId);
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.once("close", () => reject(new Error("the broker closed the connection")));
  }).catch(async (error: unknown) => {
    await client.endAsync(true);
    throw error;
  });
  if (!silent) {
    await client.subscribeAsync(Object.fromEntries(DOWN_CHANNELS.map((channel) => [topicOf(device, channel), { qos: QOS[channel] }])));
    await found.status(true);
  }
  return found;
}

/** Asks until `ask` gives something that is not undefined. */
export async function eventually<T>(ask: () => Promise<T | undefined> | T | undefined, what: string, timeoutMs = 15_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
