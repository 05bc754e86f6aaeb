/** Events of devices: each once, in the order of their numbers, and what may be acknowledged. */
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import type { Db } from "./schema.ts";

export interface StoredEvent {
  /** Row number: grows over all devices, in the order of their arrival. */
  readonly id: number;
  readonly device: string;
  readonly seq: number;
  readonly bootId: string;
  readonly uptimeMs: number;
  readonly at: string;
  readonly receivedAt: number;
  readonly type: string;
  readonly app?: string;
  readonly data: Record<string, unknown>;
}

export interface TakenEvents {
  /** Those that were new. */
  readonly stored: StoredEvent[];
  /** Same number, other content: the device's numbering went back (its outbox was lost). */
  readonly conflicts: number[];
}

/** Stores what is new. A doubled event is ignored. */
export async function takeEvents(db: Db, device: string, events: readonly DeviceEvent[], now: number): Promise<TakenEvents> {
  const stored: StoredEvent[] = [];
  const conflicts: number[] = [];
  for (const event of events) {
    const row = await db
      .insertInto("events")
      .values({
        device,
        seq: event.seq,
        boot_id: event.bootId,
        uptime_ms: event.uptimeMs,
        at: event.at,
        received_at: now,
        type: event.type,
        app: event.app ?? null,
        data: JSON.stringify(event.data),
      })
      .onConflict((oc) => oc.columns(["device", "seq"]).doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) {
      if (await differs(db, device, event)) conflicts.push(event.seq);
      continue;
    }
    stored.push(toStored(row));
  }
  return { stored, conflicts };
}

async function differs(db: Db, device: string, event: DeviceEvent): Promise<boolean> {
  const known = await db
    .selectFrom("events")
    .select(["boot_id", "uptime_ms", "type"])
    .where("device", "=", device)
    .where("seq", "=", event.seq)
    .executeTakeFirst();
  return known?.boot_id !== event.bootId || known.uptime_ms !== event.uptimeMs || known.type !== event.type;
}

/**
 * Moves the device's acknowledged number to the highest of a batch that is stored, and notes what is missing up to there as lost. That it is
 * lost and not late follows from how devices send: every batch begins with the oldest event that the device still has.
 */
export async function advanceAcked(
  db: Db,
  device: string,
  seqs: readonly number[],
  now: number,
): Promise<{ readonly acked: number; readonly gaps: readonly Gap[] }> {
  const { acked_seq: before } = await db.selectFrom("devices").select("acked_seq").where("id", "=", device).executeTakeFirstOrThrow();
  const { acked, gaps } = findGaps(before, seqs);
  for (const { from, to } of gaps) {
    await db
      .insertInto("lost")
      .values({ device, from_seq: from, to_seq: to, noted_at: now })
      .onConflict((oc) => oc.columns(["device", "from_seq", "to_seq"]).doNothing())
      .execute();
  }
  if (acked > before) await db.updateTable("devices").set({ acked_seq: acked }).where("id", "=", device).execute();
  return { acked, gaps };
}

/** A range of missing numbers, both ends included. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The highest number after a batch, and what is missing between `before` and it. Pure. */
export function findGaps(before: number, seqs: readonly number[]): { readonly acked: number; readonly gaps: readonly Gap[] } {
  const gaps: Gap[] = [];
  let acked = before;
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    if (seq > acked + 1) gaps.push({ from: acked + 1, to: seq - 1 });
    acked = Math.max(acked, seq);
  }
  return { acked, gaps };
}

export interface EventQuery {
  readonly device?: string | undefined;
  readonly type?: string | undefined;
  readonly app?: string | undefined;
  /** Row numbers behind this one. */
  readonly after: number;
  readonly limit: number;
  /** The newest instead of the next ones behind `after`; given in ascending order all the same. */
  readonly latest?: boolean;
}

export async function listEvents(db: Db, query: EventQuery): Promise<StoredEvent[]> {
  let select = db.selectFrom("events").selectAll().where("id", ">", query.after);
  if (query.device !== undefined) select = select.where("device", "=", query.device);
  if (query.app !== undefined) select = select.where("app", "=", query.app);
  if (query.type !== undefined)
    select = query.type.endsWith(".") ? select.where("type", "like", `${query.type}%`) : select.where("type", "=", query.type);
  const rows = await select
    .orderBy("id", query.latest ? "desc" : "asc")
    .limit(query.limit)
    .execute();
  const events = rows.map(toStored);
  return query.latest ? events.reverse() : events;
}

export function listLost(db: Db, device: string): Promise<{ from: number; to: number; noted_at: number }[]> {
  return db
    .selectFrom("lost")
    .select(["from_seq as from", "to_seq as to", "noted_at"])
    .where("device", "=", device)
    .orderBy("from_seq")
    .execute();
}

/** Deletes what was received before `before`; the acknowledged numbers stay. */
export async function dropEvents(db: Db, before: number): Promise<bigint> {
  return (
    await db
      .deleteFrom("events")
      .where("received_at", "<", before)
      .where("seq", "<=", (eb) => eb.selectFrom("devices").select("acked_seq").whereRef("devices.id", "=", "events.device"))
      .executeTakeFirst()
  ).numDeletedRows;
}

interface EventRow {
  id: number;
  device: string;
  seq: number;
  boot_id: string;
  uptime_ms: number;
  at: string;
  received_at: number;
  type: string;
  app: string | null;
  data: string;
}

function toStored(row: EventRow): StoredEvent {
  return {
    id: row.id,
    device: row.device,
    seq: row.seq,
    bootId: row.boot_id,
    uptimeMs: row.uptime_ms,
    at: row.at,
    receivedAt: row.received_at,
    type: row.type,
    ...(row.app === null ? {} : { app: row.app }),
    data: JSON.parse(row.data) as Record<string, unknown>,
  };
}
