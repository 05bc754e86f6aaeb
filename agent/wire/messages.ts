/** The one table from channel to schema, and the one way in for a payload from the network. */
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { Ack } from "./protocol/ack.ts";
import { Command } from "./protocol/cmd.ts";
import { Desired } from "./protocol/desired.ts";
import { EventBatch } from "./protocol/event.ts";
import { LogBatch } from "./protocol/log.ts";
import { Metric } from "./protocol/metric.ts";
import { Reported } from "./protocol/reported.ts";
import { CommandResult } from "./protocol/result.ts";
import { Status } from "./protocol/status.ts";
import { type Channel, MAX_PAYLOAD_BYTES } from "./topics.ts";

export const SCHEMAS = {
  status: Status,
  desired: Desired,
  reported: Reported,
  event: EventBatch,
  ack: Ack,
  cmd: Command,
  result: CommandResult,
  log: LogBatch,
  metric: Metric,
} as const satisfies Record<Channel, TSchema>;

export type Message<C extends Channel> = Static<(typeof SCHEMAS)[C]>;

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/**
 * Checks a payload's size, JSON and schema. Unknown keys are tolerated (an older reader meets a newer writer); anything else
 * wrong is a reason, never an exception.
 */
export function parseMessage<C extends Channel>(channel: C, payload: Uint8Array | string): Parsed<Message<C>> {
  const bytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  if (bytes > MAX_PAYLOAD_BYTES) return { ok: false, reason: `payload of ${bytes} bytes is over ${MAX_PAYLOAD_BYTES}` };
  const text = typeof payload === "string" ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: "not JSON" };
  }
  const schema: TSchema = SCHEMAS[channel];
  if (Value.Check(schema, value)) return { ok: true, value: value as Message<C> };
  const [first] = Value.Errors(variantOf(schema, value), value);
  return { ok: false, reason: `${first?.instancePath || "/"} ${first?.message ?? "does not match the schema"}` };
}

/** Of a schema with variants the one that the value's `type` names: the errors of all of them together say nothing. */
function variantOf(schema: TSchema, value: unknown): TSchema {
  if (!Type.IsUnion(schema) || typeof value !== "object" || value === null || !("type" in value)) return schema;
  const types = schema.anyOf.map((variant) => (Type.IsObject(variant) ? variant.properties.type : undefined));
  const at = types.findIndex((type) => type !== undefined && Value.Check(type, value.type));
  return schema.anyOf[at] ?? Type.Object({ type: Type.Enum(types.flatMap((type) => (Type.IsLiteral(type) ? [String(type.const)] : []))) });
}

/** For a sender: the payload, or an error if what we made ourselves does not fit the schema or the size. */
export function encodeMessage<C extends Channel>(channel: C, message: Message<C>): string {
  const payload = JSON.stringify(message);
  const parsed = parseMessage(channel, payload);
  if (!parsed.ok) throw new Error(`refusing to send a broken ${channel} message: ${parsed.reason}`);
  return payload;
}
