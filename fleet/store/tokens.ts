/** Enrolment tokens: shown once when made, kept as hashes, limited in time and number of uses. */

import type { Db, TokenTable } from "./schema.ts";
import { hashSecret } from "./secrets.ts";

export type TokenRow = TokenTable;

export async function addToken(db: Db, token: Omit<TokenRow, "hash" | "revoked_at"> & { secret: string }): Promise<void> {
  const { secret, ...row } = token;
  await db
    .insertInto("tokens")
    .values({ ...row, hash: hashSecret(secret), revoked_at: null })
    .execute();
}

export function listTokens(db: Db): Promise<TokenRow[]> {
  return db.selectFrom("tokens").selectAll().orderBy("created_at").execute();
}

/** False when there is no such token. */
export async function revokeToken(db: Db, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db.updateTable("tokens").set({ revoked_at: now, uses_left: 0 }).where("id", "=", id).executeTakeFirst();
  return numUpdatedRows > 0n;
}

export function findToken(db: Db, secret: string): Promise<TokenRow | undefined> {
  return db.selectFrom("tokens").selectAll().where("hash", "=", hashSecret(secret)).executeTakeFirst();
}

/** Takes one use; false when none is left, it is revoked or its time is over. */
export async function useToken(db: Db, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("tokens")
    .set((eb) => ({ uses_left: eb("uses_left", "-", 1) }))
    .where("id", "=", id)
    .where("uses_left", ">", 0)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
