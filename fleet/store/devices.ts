/** Devices: credentials, presence, and the latest report of each. */
import type { Reported } from "#agent/wire/protocol/reported.ts";
import type { Status } from "#agent/wire/protocol/status.ts";
import type { Db, DeviceTable, ReportedTable } from "./schema.ts";

export type DeviceRow = DeviceTable;
export type ReportedRow = ReportedTable;

export function findDevice(db: Db, id: string): Promise<DeviceRow | undefined> {
  return db.selectFrom("devices").selectAll().where("id", "=", id).executeTakeFirst();
}

export interface DeviceWithReport extends DeviceRow {
  readonly report: string | null;
  readonly inventory: string | null;
  readonly report_at: number | null;
}

const joined = (db: Db) =>
  db
    .selectFrom("devices")
    .leftJoin("reported", "reported.device", "devices.id")
    .selectAll("devices")
    .select(["reported.body as report", "reported.inventory as inventory", "reported.received_at as report_at"]);

/** In the order of their ids, beginning behind `after`. */
export function listDevices(db: Db, after: string, limit: number): Promise<DeviceWithReport[]> {
  return joined(db).where("devices.id", ">", after).orderBy("devices.id").limit(limit).execute();
}

export function findDeviceWithReport(db: Db, id: string): Promise<DeviceWithReport | undefined> {
  return joined(db).where("devices.id", "=", id).executeTakeFirst();
}

export async function listOnline(db: Db): Promise<string[]> {
  return (await db.selectFrom("devices").select("id").where("online", "=", 1).orderBy("id").execute()).map(({ id }) => id);
}

export async function countDevices(db: Db): Promise<{ total: number; online: number }> {
  const row = await db
    .selectFrom("devices")
    .select((eb) => [eb.fn.countAll<number>().as("total"), eb.fn.sum<number>("online").as("online")])
    .executeTakeFirstOrThrow();
  return { total: Number(row.total), online: Number(row.online ?? 0) };
}

export interface NewDevice {
  readonly id: string;
  readonly password_hash: string;
  readonly enrolled_by: string;
  readonly enrolled_at: number;
  readonly architecture: string;
  readonly agent_version: string;
}

/** Adds a device, or gives an existing one new credentials; what it has sent and what it shall run stay. */
export async function putDevice(db: Db, device: NewDevice): Promise<void> {
  const { id, ...rest } = device;
  await db
    .insertInto("devices")
    .values({
      ...device,
      boot_id: "",
      session: 0,
      online: 0,
      last_seen_at: null,
      acked_seq: 0,
      desired_revision: 0,
      desired_issued_at: 0,
      desired_apps: "[]",
      desired_agent: null,
      rejected_messages: 0,
    })
    .onConflict((oc) => oc.column("id").doUpdateSet({ ...rest, session: 0, online: 0 }))
    .execute();
}

/** The device and everything of it. False when there was none. */
export async function removeDevice(db: Db, id: string): Promise<boolean> {
  for (const table of ["reported", "events", "lost", "commands"] as const) await db.deleteFrom(table).where("device", "=", id).execute();
  return (await db.deleteFrom("devices").where("id", "=", id).executeTakeFirst()).numDeletedRows > 0n;
}

/**
 * Takes a status. A session lower than the known one is a late last will (or a replay) and changes nothing: false.
 * Within a session, "offline" is final: a will and a delayed "online" may come in either order.
 */
export async function takeStatus(db: Db, id: string, status: Status, now: number): Promise<boolean> {
  const query = db
    .updateTable("devices")
    .set({
      session: status.session,
      online: status.online ? 1 : 0,
      boot_id: status.bootId,
      agent_version: status.agentVersion,
      last_seen_at: now,
    })
    .where("id", "=", id);
  const fresh = status.online ? query.where("session", "<", status.session) : query.where("session", "<=", status.session);
  return (await fresh.executeTakeFirst()).numUpdatedRows > 0n;
}

export async function touchDevice(db: Db, id: string, now: number): Promise<void> {
  await db.updateTable("devices").set({ last_seen_at: now }).where("id", "=", id).execute();
}

/** With an embedded broker nobody is connected when the controller starts, and the wills of those that were died with it. */
export async function allOffline(db: Db): Promise<void> {
  await db.updateTable("devices").set({ online: 0 }).where("online", "=", 1).execute();
}

export async function countRejected(db: Db, id: string): Promise<void> {
  await db
    .updateTable("devices")
    .set((eb) => ({ rejected_messages: eb("rejected_messages", "+", 1) }))
    .where("id", "=", id)
    .execute();
}

/**
 * Takes a report unless it is older than the one that is there. `n` counts within an agent's life: a new boot or a new session
 * starts a new count.
 */
export async function takeReported(db: Db, device: DeviceRow, reported: Reported, now: number): Promise<boolean> {
  const before = await db.selectFrom("reported").select(["boot_id", "session", "n"]).where("device", "=", device.id).executeTakeFirst();
  if (before?.boot_id === reported.bootId && before.session === device.session && before.n >= reported.n) return false;
  const { inventory, ...rest } = reported;
  const row = {
    boot_id: reported.bootId,
    session: device.session,
    n: reported.n,
    desired_revision: reported.desiredRevision,
    received_at: now,
    body: JSON.stringify(rest),
  };
  await db
    .insertInto("reported")
    .values({ device: device.id, ...row, inventory: inventory === undefined ? null : JSON.stringify(inventory) })
    .onConflict((oc) => oc.column("device").doUpdateSet(inventory === undefined ? row : { ...row, inventory: JSON.stringify(inventory) }))
    .execute();
  return true;
}
