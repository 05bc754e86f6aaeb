/** One MQTT connection, from CONNECT to its end. mqtt.js is loaded with the first one: an agent without a controller never needs it. */
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { certificateHint, type Trust, tlsOptions } from "#agent/lib/tls.ts";
import { type Channel, DOWN_CHANNELS, parseTopic, QOS, topicOf, type UpChannel } from "#agent/wire/topics.ts";
import { loadClient } from "./client.ts";

export interface SessionOptions extends Trust {
  readonly url: string;
  readonly device: string;
  readonly password: string;
  readonly keepaliveMs: number;
  /** The last will: the status message that says we are gone. */
  readonly will: string;
  readonly onMessage: (channel: Channel, payload: Uint8Array) => void;
}

export interface Session {
  /** Resolves when the broker has it (QoS 1) or it is written (QoS 0). Rejects with LV_UNAVAILABLE when the connection ends first. */
  publish(channel: UpChannel, payload: string): Promise<void>;
  /** Resolves with the reason when the connection has ended. */
  readonly closed: Promise<string>;
  /** Until when the broker's certificate is good (milliseconds since 1970); undefined without TLS. */
  certificateEndMs(): number | undefined;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 20_000;
/** A broker that does not answer is not waited for longer when we go. */
const GOODBYE_MS = 3_000;
/** QoS 1 messages that the broker has not acknowledged. */
const MAX_INFLIGHT = 16;

/**
 * Connects and subscribes. Sessions are clean: whatever matters is asked for or sent again by our own numbers, so that nothing depends
 * on what a broker remembers (MQTT 3.1.1, 3.1.2.4), and any broker will do. Throws LV_UNAVAILABLE or LV_DENIED.
 */
export async function openSession(options: SessionOptions, signal: AbortSignal): Promise<Session> {
  const { url, device } = options;
  let certificateEndMs: number | undefined;
  const open = await loadClient(url, /^(mqtts|wss):/.test(url) ? tlsOptions(options) : undefined, (peer) => {
    certificateEndMs = Date.parse(peer.valid_to);
  });
  signal.throwIfAborted();
  const client = open({
    clientId: device,
    username: device,
    password: options.password,
    clean: true,
    protocolVersion: 4,
    keepalive: Math.round(options.keepaliveMs / 1000),
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Its cache holds a Buffer for each 16-bit number: 7 MB.
    writeCache: false,
    will: { topic: topicOf(device, "status"), payload: Buffer.from(options.will), qos: QOS.status, retain: true },
  });
  const closed = new Promise<string>((resolve) => {
    let reason = "the broker closed the connection";
    client.on("error", (error) => {
      reason = `${messageOf(error)}${certificateHint(error)}`;
    });
    client.on("close", () => resolve(reason));
  });
  client.on("message", (topic, payload) => {
    const parsed = parseTopic(topic);
    if (parsed?.device === device) options.onMessage(parsed.channel, payload);
  });
  const abort = (): void => void client.end(true);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await connected(client, closed, url);
    await subscribe(client, device, closed);
  } catch (error) {
    await client.endAsync(true).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return {
    publish: publisher(client, device, closed),
    closed,
    certificateEndMs: () => certificateEndMs,
    close: () => end(client, closed),
  };
}

type Client = import("mqtt").MqttClient;

function connected(client: Client, closed: Promise<string>, url: string): Promise<void> {
  const up = new Promise<void>((resolve) => client.once("connect", () => resolve()));
  return Promise.race([
    up,
    closed.then((reason) => {
      // CONNACK 4 and 5 (3.2.2.3): trying again soon will not help, but an operator may.
      const denied = /not authorized|bad user name/i.test(reason);
      throw new LightvError(denied ? "LV_DENIED" : "LV_UNAVAILABLE", `can't connect to ${url}: ${reason}`, {
        hint: denied
          ? "the controller does not know these credentials: remove ROOT/agent/credentials.json and enrol again"
          : "it is tried again",
      });
    }),
  ]);
}

async function subscribe(client: Client, device: string, closed: Promise<string>): Promise<void> {
  const wanted = Object.fromEntries(DOWN_CHANNELS.map((channel) => [topicOf(device, channel), { qos: QOS[channel] }]));
  const granted = await Promise.race([client.subscribeAsync(wanted), closed.then((reason) => gone(reason))]);
  // 128 in SUBACK is a refusal (3.9.3).
  const refused = granted.find((grant) => Number(grant.qos) === 128);
  if (refused !== undefined)
    throw new LightvError("LV_DENIED", `the broker refused the subscription to ${refused.topic}`, {
      hint: "check the broker's rights for this device",
    });
}

function publisher(client: Client, device: string, closed: Promise<string>): Session["publish"] {
  let inflight = 0;
  let ended: string | undefined;
  const waiting: (() => void)[] = [];
  /** Not a race with `closed` itself: that would keep something of every message until the connection ends. */
  const sending = new Set<(reason: string) => void>();
  void closed.then((reason) => {
    ended = reason;
    for (const cut of sending) cut(reason);
    for (const wake of waiting.splice(0)) wake();
  });
  return async (channel, payload) => {
    while (inflight >= MAX_INFLIGHT && ended === undefined) await new Promise<void>((resolve) => waiting.push(resolve));
    if (ended !== undefined) gone(ended);
    inflight++;
    const { promise: ending, resolve: cut } = Promise.withResolvers<string>();
    sending.add(cut);
    try {
      const sent = client.publishAsync(topicOf(device, channel), payload, { qos: QOS[channel], retain: channel === "status" });
      sent.catch(() => undefined);
      await Promise.race([sent, ending.then((reason) => gone(reason))]);
    } finally {
      sending.delete(cut);
      inflight--;
      waiting.shift()?.();
    }
  };
}

/** In order, if that can be: mqtt.js waits for ever for acknowledgements that a broken connection or a silent broker does not bring. */
async function end(client: Client, closed: Promise<string>): Promise<void> {
  const ended = client.endAsync(!client.connected).catch(() => undefined);
  const late = setTimeout(() => client.stream.destroy(), GOODBYE_MS);
  await Promise.race([ended, closed]);
  clearTimeout(late);
}

function gone(reason: string): never {
  throw new LightvError("LV_UNAVAILABLE", `the connection to the broker has ended: ${reason}`, { hint: "it is sent again" });
}
