/** Commands: kept until they are answered or have expired. */
import type { Command } from "#agent/wire/protocol/cmd.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import type { Db } from "./schema.ts";

export type CommandState = "pending" | "answered" | "expired";

export interface StoredCommand {
  readonly device: string;
  readonly state: CommandState;
  readonly command: Command;
  readonly issuedAt: number;
  readonly expiresAt: number | null;
  /** How often it was put on the wire. */
  readonly sent: number;
  readonly answeredAt: number | null;
  readonly result: CommandResult | null;
}

export interface NewCommand {
  readonly device: string;
  readonly command: Command;
  readonly issuedAt: number;
  readonly expiresAt: number | null;
}

/** False when the device has a command of this id already. */
export async function addCommand(db: Db, { device, command, issuedAt, expiresAt }: NewCommand): Promise<boolean> {
  const result = await db
    .insertInto("commands")
    .values({
      id: command.id,
      device,
      body: JSON.stringify(command),
      issued_at: issuedAt,
      expires_at: expiresAt,
      state: "pending",
      sent: 0,
      answered_at: null,
      result: null,
    })
    .onConflict((oc) => oc.columns(["device", "id"]).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export async function findCommand(db: Db, device: string, id: string): Promise<StoredCommand | undefined> {
  const row = await db.selectFrom("commands").selectAll().where("device", "=", device).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toCommand(row);
}

/** Newest first. */
export async function listCommands(db: Db, device: string, limit: number): Promise<StoredCommand[]> {
  return (await db.selectFrom("commands").selectAll().where("device", "=", device).orderBy("n", "desc").limit(limit).execute()).map(
    toCommand,
  );
}

/** What has yet to be answered and is not over, in the order in which it was given. */
export async function pendingCommands(db: Db, device: string, now: number): Promise<StoredCommand[]> {
  const rows = await db
    .selectFrom("commands")
    .selectAll()
    .where("device", "=", device)
    .where("state", "=", "pending")
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", now)]))
    .orderBy("n")
    .execute();
  return rows.map(toCommand);
}

export async function countPending(db: Db, device: string): Promise<number> {
  const row = await db
    .selectFrom("commands")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("device", "=", device)
    .where("state", "=", "pending")
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

export async function markSent(db: Db, device: string, ids: readonly string[]): Promise<void> {
  await db
    .updateTable("commands")
    .set((eb) => ({ sent: eb("sent", "+", 1) }))
    .where("device", "=", device)
    .where("id", "in", ids)
    .execute();
}

/** Takes an answer once; a second one, or one to a command that nobody gave, changes nothing: undefined. */
export async function takeResult(db: Db, device: string, result: CommandResult, now: number): Promise<StoredCommand | undefined> {
  const row = await db
    .updateTable("commands")
    .set({ state: result.code === "LV_EXPIRED" ? "expired" : "answered", answered_at: now, result: JSON.stringify(result) })
    .where("device", "=", device)
    .where("id", "=", result.id)
    .where("result", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : toCommand(row);
}

/** Ends what is over; gives what was ended. */
export async function expireCommands(db: Db, now: number): Promise<StoredCommand[]> {
  const rows = await db
    .updateTable("commands")
    .set({ state: "expired" })
    .where("state", "=", "pending")
    .where("expires_at", "<=", now)
    .returningAll()
    .execute();
  return rows.map(toCommand);
}

/** Deletes ended commands that were issued before `before`. */
export async function dropCommands(db: Db, before: number): Promise<void> {
  await db.deleteFrom("commands").where("state", "!=", "pending").where("issued_at", "<", before).execute();
}

interface CommandRow {
  device: string;
  body: string;
  issued_at: number;
  expires_at: number | null;
  state: string;
  sent: number;
  answered_at: number | null;
  result: string | null;
}

function toCommand(row: CommandRow): StoredCommand {
  return {
    device: row.device,
    state: row.state as CommandState,
    command: JSON.parse(row.body) as Command,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    sent: row.sent,
    answeredAt: row.answered_at,
    result: row.result === null ? null : (JSON.parse(row.result) as CommandResult),
  };
}
