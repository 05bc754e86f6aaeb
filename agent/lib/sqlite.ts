/** Opens a SQLite file that survives kill -9 and power cuts: WAL, and an fsync at each commit. */
import { DatabaseSync } from "node:sqlite";
import { LightvError, messageOf } from "./errors.ts";

export type Database = DatabaseSync;

export interface OpenOptions {
  /** Nobody else may open it while we live: the kernel drops the lock when we die, however. Saves the shared-memory file too. */
  readonly exclusive: boolean;
  /** Page cache in KiB. */
  readonly cacheKib: number;
}

/** Throws LV_CONFLICT when somebody else holds it, LV_INTERNAL when it can't be opened. */
export function openDatabase(path: string, schema: string, options: OpenOptions): Database {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    if (options.exclusive) database.exec("PRAGMA locking_mode = EXCLUSIVE");
    // The first write takes the lock, and in exclusive mode keeps it (sqlite.org/pragma.html#pragma_locking_mode).
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -${options.cacheKib}; PRAGMA temp_store = MEMORY`,
    );
    database.exec("PRAGMA journal_size_limit = 1048576; PRAGMA wal_autocheckpoint = 128; BEGIN IMMEDIATE; COMMIT");
    database.exec(schema);
    return database;
  } catch (error) {
    database?.close();
    if (/locked|busy/i.test(messageOf(error)))
      throw new LightvError("LV_CONFLICT", `${path} is in use by another process`, {
        hint: "stop the other one, or use another root",
        cause: error,
      });
    throw new LightvError("LV_INTERNAL", `can't open the database ${path}: ${messageOf(error)}`, {
      hint: "check the directory's rights and space; if the file is damaged move it away",
      cause: error,
    });
  }
}

/** Runs `body` in one transaction: all of it is kept, or nothing. Within another one it is part of that. */
export function transaction<T>(database: Database, body: () => T): T {
  if (database.isTransaction) return body();
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk has ended it already (sqlite.org/lang_transaction.html, 3.1).
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
