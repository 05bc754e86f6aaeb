/** What was done or refused, by whom. Bounded: the oldest rows go. */
import type { Db } from "./schema.ts";

const KEEP = 100_000;

export interface AuditEntry {
  readonly at: number;
  /** "api", "device:ID", "token:ID", "mqtt:ADDRESS". */
  readonly actor: string;
  readonly action: string;
  readonly detail: string;
}

export async function audit(db: Db, entry: AuditEntry): Promise<void> {
  await db
    .insertInto("audit")
    .values({ ...entry, detail: entry.detail.slice(0, 1024) })
    .execute();
}

/** Newest first. */
export function listAudit(db: Db, limit: number): Promise<(AuditEntry & { id: number })[]> {
  return db.selectFrom("audit").selectAll().orderBy("id", "desc").limit(limit).execute();
}

export async function trimAudit(db: Db): Promise<void> {
  const newest = await db.selectFrom("audit").select("id").orderBy("id", "desc").limit(1).executeTakeFirst();
  if (newest !== undefined)
    await db
      .deleteFrom("audit")
      .where("id", "<=", newest.id - KEEP)
      .execute();
}
