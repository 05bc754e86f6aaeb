/**
 * Payloads from the network. The first byte chooses the channel. What is taken can be sent again as it is, and an app that is taken becomes a
 * sandbox's request, or is refused with a reason.
 */
import { isDeepStrictEqual } from "node:util";
import { isLightvError } from "#agent/lib/errors.ts";
import { createRequestOf, hashOf, targetOf } from "#agent/supervisor/spec.ts";
import { encodeMessage, type Message, parseMessage, SCHEMAS } from "#agent/wire/messages.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import { type Channel, MAX_PAYLOAD_BYTES } from "#agent/wire/topics.ts";
import { type FuzzTarget, must } from "../lib/target.ts";

const CHANNELS = Object.keys(SCHEMAS) as Channel[];

function run(bytes: Buffer): void {
  const channel = CHANNELS[(bytes[0] ?? 0) % CHANNELS.length] ?? "status";
  const parsed = parseMessage(channel, bytes.subarray(1));
  if (!parsed.ok) must(parsed.reason.length > 0, "a refusal has a reason");
  else checkTaken(channel, parsed.value);
}

function checkTaken(channel: Channel, value: unknown): void {
  const text = JSON.stringify(value);
  // What is not UTF-8 became longer when it was read.
  if (Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) return;
  const again = parseMessage(channel, encodeMessage(channel, value as Message<Channel>));
  must(
    again.ok && isDeepStrictEqual(JSON.parse(JSON.stringify(again.value)), JSON.parse(text)),
    "what is taken is taken again as the same",
  );
  if (channel === "desired") (value as Desired).apps.forEach(checkApp);
}

function checkApp(app: Desired["apps"][number]): void {
  must(hashOf(app) === hashOf(structuredClone(app)), "a version has one name");
  try {
    createRequestOf(targetOf(app, 1), 0);
  } catch (error) {
    if (!isLightvError(error, "LV_CONFIG")) throw error;
  }
}

export const target: FuzzTarget = {
  run,
  words: [
    '"apps":[',
    '"security":{"sysctls":{',
    '"seccomp":"unconfined"',
    '"budget":{',
    '"type":"',
    '"revision":',
    '"health":{"probe":{',
    '"restart":{',
  ],
  covers: ["/agent/", "/typebox/"],
  maxBytes: MAX_PAYLOAD_BYTES + 100,
};
