/** What each device shall run. The revision grows with every change and never goes back. */
import type { App } from "#agent/wire/protocol/app.ts";
import type { Desired, DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Db } from "./schema.ts";

export async function getDesired(db: Db, device: string): Promise<Desired | undefined> {
  const row = await db
    .selectFrom("devices")
    .select(["desired_revision", "desired_issued_at", "desired_apps", "desired_agent"])
    .where("id", "=", device)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    revision: row.desired_revision,
    issuedAt: new Date(row.desired_issued_at).toISOString(),
    apps: JSON.parse(row.desired_apps) as App[],
    ...(row.desired_agent === null ? {} : { agent: JSON.parse(row.desired_agent) as DesiredAgent }),
  };
}

/** Puts the next revision. The caller holds a transaction in which it has read the one before. */
export async function putDesired(db: Db, device: string, desired: Desired): Promise<void> {
  await db
    .updateTable("devices")
    .set({
      desired_revision: desired.revision,
      desired_issued_at: Date.parse(desired.issuedAt),
      desired_apps: JSON.stringify(desired.apps),
      desired_agent: desired.agent === undefined ? null : JSON.stringify(desired.agent),
    })
    .where("id", "=", device)
    .execute();
}

/** Devices whose desired state names the image. */
export async function devicesUsing(db: Db, digest: string): Promise<string[]> {
  const named = `%"${digest}"%`;
  const rows = await db
    .selectFrom("devices")
    .select("id")
    .where((eb) => eb.or([eb("desired_apps", "like", named), eb("desired_agent", "like", named)]))
    .orderBy("id")
    .execute();
  return rows.map((row) => row.id);
}

/** The revision that the device last said it has; 0 when it has said nothing. */
export async function reportedRevision(db: Db, device: string): Promise<number> {
  const row = await db.selectFrom("reported").select("desired_revision").where("device", "=", device).executeTakeFirst();
  return row?.desired_revision ?? 0;
}
