/** Who may do what on the embedded broker: a device, on its own topics, in their direction. Pure. */
import { DEVICE_ID, DOWN_CHANNELS, parseTopic, topicOf, UP_CHANNELS, type UpChannel } from "#agent/wire/topics.ts";

/** Undefined when it may; else why not. */
export function mayPublish(device: string, topic: string, retain: boolean): string | undefined {
  const parsed = parseTopic(topic);
  if (parsed?.device !== device) return `"${topic}" is not below the device's own prefix`;
  if (!(UP_CHANNELS as readonly string[]).includes(parsed.channel)) return `"${parsed.channel}" is sent by the controller only`;
  if (retain && parsed.channel !== "status") return `only "status" may be retained, not "${parsed.channel}"`;
  return undefined;
}

/** Only the three topics as they are: no wildcard, so that nothing else can match. */
export function maySubscribe(device: string, filter: string): string | undefined {
  if (DOWN_CHANNELS.some((channel) => filter === topicOf(device, channel))) return undefined;
  return `"${filter}" is not one of the device's topics (${DOWN_CHANNELS.join(", ")})`;
}

/** A client's id is its user name, a will is its own status: checked before the password. */
export function mayConnect(connect: {
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly will?: { readonly topic: string; readonly retain?: boolean } | undefined;
}): string | undefined {
  const { clientId, username, will } = connect;
  if (username === undefined || !DEVICE_ID.test(username)) return "the user name is not a device id";
  if (clientId !== username) return `the client id "${clientId.slice(0, 64)}" is not the user name`;
  if (will === undefined) return undefined;
  if (parseTopic(will.topic)?.channel !== "status") return "a last will may go to the device's status only";
  return mayPublish(username, will.topic, will.retain ?? false);
}

export function isUpChannel(channel: string): channel is UpChannel {
  return (UP_CHANNELS as readonly string[]).includes(channel);
}
