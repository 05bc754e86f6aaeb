/** One message, inside a transaction: checked, written so that a second time changes nothing, and what shall follow once it is committed. */

import { parseMessage } from "#agent/wire/messages.ts";
import type { EventBatch } from "#agent/wire/protocol/event.ts";
import type { Reported } from "#agent/wire/protocol/reported.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import type { Status } from "#agent/wire/protocol/status.ts";
import type { Incoming } from "#fleet/broker/port.ts";
import { takeResult } from "#fleet/store/commands.ts";
import { countRejected, type DeviceRow, findDevice, takeReported, takeStatus } from "#fleet/store/devices.ts";
import { advanceAcked, takeEvents } from "#fleet/store/events.ts";
import type { Db } from "#fleet/store/schema.ts";
import type { FeedItem } from "./feed.ts";

/** Done after the commit, in this order. */
export type Effect =
  | { readonly do: "feed"; readonly item: FeedItem }
  | {
      readonly do: "count";
      readonly what: "eventsStored" | "eventsDoubled" | "staleStatus" | "staleReported" | "unknownDevice";
      readonly by: number;
    }
  | { readonly do: "reject"; readonly device: string; readonly channel: Incoming["channel"]; readonly reason: string }
  | { readonly do: "audit"; readonly device: string; readonly action: "event.gap" | "event.conflict"; readonly detail: string }
  | { readonly do: "ack"; readonly device: string; readonly seq: number }
  /** The device says that it is there in a session that is over: its disk has gone back. */
  | { readonly do: "outrun"; readonly device: string }
  /** The device is there anew: tell it what it may have missed. */
  | { readonly do: "greet"; readonly device: string }
  /** The device runs another revision than it shall. */
  | { readonly do: "remind"; readonly device: string };

/** Throws only what the database throws. */
export async function apply(db: Db, { device: id, channel, payload }: Incoming, now: number): Promise<Effect[]> {
  const device = await findDevice(db, id);
  if (device === undefined) return [{ do: "count", what: "unknownDevice", by: 1 }];
  if (channel === "desired" || channel === "ack" || channel === "cmd") return [];
  const parsed = parseMessage(channel, payload);
  if (!parsed.ok) {
    await countRejected(db, id);
    return [{ do: "reject", device: id, channel, reason: parsed.reason }];
  }
  const message = parsed.value;
  switch (channel) {
    case "status":
      return applyStatus(db, device, message as Status, now);
    case "reported":
      return applyReported(db, device, message as Reported, now);
    case "event":
      return applyEvents(db, id, message as EventBatch, now);
    case "result":
      return applyResult(db, id, message as CommandResult, now);
    default:
      return [{ do: "feed", item: { type: channel, device: id, data: message } as FeedItem }];
  }
}

async function applyStatus(db: Db, before: DeviceRow, status: Status, now: number): Promise<Effect[]> {
  const device = before.id;
  if (!(await takeStatus(db, device, status, now))) {
    const stale: Effect = { do: "count", what: "staleStatus", by: 1 };
    // The same session of the same boot is a message that came twice, or behind its own last will.
    const again = status.session === before.session && status.bootId === before.boot_id;
    return status.online && !again ? [stale, { do: "outrun", device }] : [stale];
  }
  const told: Effect = { do: "feed", item: { type: "status", device, data: status } };
  return status.online ? [told, { do: "greet", device }] : [told];
}

async function applyReported(db: Db, device: DeviceRow, reported: Reported, now: number): Promise<Effect[]> {
  if (!(await takeReported(db, device, reported, now))) return [{ do: "count", what: "staleReported", by: 1 }];
  const told: Effect = { do: "feed", item: { type: "reported", device: device.id, data: reported } };
  return reported.desiredRevision === device.desired_revision ? [told] : [told, { do: "remind", device: device.id }];
}

async function applyEvents(db: Db, device: string, { events }: EventBatch, now: number): Promise<Effect[]> {
  const { stored, conflicts } = await takeEvents(db, device, events, now);
  const { acked, gaps } = await advanceAcked(
    db,
    device,
    events.map(({ seq }) => seq),
    now,
  );
  const effects: Effect[] = stored.map((event) => ({ do: "feed", item: { type: "event", device, data: event } }));
  effects.push({ do: "count", what: "eventsStored", by: stored.length });
  effects.push({ do: "count", what: "eventsDoubled", by: events.length - stored.length });
  if (conflicts.length > 0)
    effects.push({ do: "audit", device, action: "event.conflict", detail: `numbers used twice: ${conflicts.slice(0, 20).join(" ")}` });
  for (const { from, to } of gaps) effects.push({ do: "audit", device, action: "event.gap", detail: `events ${from} to ${to} are lost` });
  effects.push({ do: "ack", device, seq: acked });
  return effects;
}

async function applyResult(db: Db, device: string, result: CommandResult, now: number): Promise<Effect[]> {
  const command = await takeResult(db, device, result, now);
  return command === undefined ? [] : [{ do: "feed", item: { type: "result", device, data: result } }];
}
