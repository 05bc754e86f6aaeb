/**
 * MQTT topics: lv/1/{shard}/{device}/{channel}. Seven levels at most, no retained delivery on wildcards relied upon,
 * so that every MQTT 3.1.1 broker will do (docs/protocol.md).
 */
import { createHash } from "node:crypto";

export const PROTOCOL_VERSION = 1;

/** The broker's payload bound: larger things go by HTTP. */
export const MAX_PAYLOAD_BYTES = 64 * 1024;

/** Channels that a device publishes. */
export const UP_CHANNELS = ["status", "reported", "event", "result", "log", "metric"] as const;
/** Channels that a device subscribes to. */
export const DOWN_CHANNELS = ["desired", "ack", "cmd"] as const;

export type UpChannel = (typeof UP_CHANNELS)[number];
export type DownChannel = (typeof DOWN_CHANNELS)[number];
export type Channel = UpChannel | DownChannel;

/** QoS of each channel: what must arrive is 1; what is numbered and may be lost is 0. */
export const QOS: Readonly<Record<Channel, 0 | 1>> = {
  status: 1,
  desired: 1,
  reported: 1,
  event: 1,
  ack: 1,
  cmd: 1,
  result: 1,
  log: 0,
  metric: 0,
};

/** Device ids: what a topic level, a file name and a host name can all carry. */
export const DEVICE_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Two hex digits of a hash of the device id: controllers share the work by ranges of shards. */
export function shardOf(device: string): string {
  return createHash("sha256").update(device).digest("hex").slice(0, 2);
}

export function topicOf(device: string, channel: Channel): string {
  return `${prefixOf(device)}/${channel}`;
}

/** What a device may publish and subscribe below, and nothing else. */
export function prefixOf(device: string): string {
  return `lv/${PROTOCOL_VERSION}/${shardOf(device)}/${device}`;
}

export interface ParsedTopic {
  readonly shard: string;
  readonly device: string;
  readonly channel: Channel;
}

/** The parts of a topic of ours, or undefined for anything else (also for a shard that is not the device's). */
export function parseTopic(topic: string): ParsedTopic | undefined {
  const [root, version, shard, device, channel, ...rest] = topic.split("/");
  if (root !== "lv" || version !== String(PROTOCOL_VERSION) || rest.length > 0) return undefined;
  if (shard === undefined || device === undefined || channel === undefined) return undefined;
  if (!DEVICE_ID.test(device) || shard !== shardOf(device) || !isChannel(channel)) return undefined;
  return { shard, device, channel };
}

function isChannel(text: string): text is Channel {
  return (UP_CHANNELS as readonly string[]).includes(text) || (DOWN_CHANNELS as readonly string[]).includes(text);
}
