/** Kysely over node:sqlite. The only file that knows SQLite; another database is another file like this one. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type CreateTableBuilder, type Dialect, SqliteDialect } from "kysely";
import { LightvError, messageOf } from "#agent/lib/errors.ts";

/** Prepared statements kept, oldest out first: the controller's own queries are a few dozen. */
const STATEMENTS = 256;
const SQLITE_FULL = 13;
const NOTHING_CHANGED = { changes: 0, lastInsertRowid: 0 };

/** What differs between databases and is needed outside this file: how a growing row number is declared. */
export interface Flavour {
  readonly dialect: Dialect;
  growingId<T extends string, C extends string>(table: CreateTableBuilder<T>, column: C): CreateTableBuilder<T, C>;
}

/**
 * Opens (or makes) the database file. synchronous=FULL: what was acknowledged survives a power cut. The exclusive lock is
 * also what keeps a second controller off the same directory. Throws LV_CONFLICT, LV_CONFIG.
 */
export function sqlite(file: string): Flavour {
  const database = open(file);
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const statement = statements.get(sql) ?? database.prepare(sql);
    statements.delete(sql);
    statements.set(sql, statement);
    if (statements.size > STATEMENTS) statements.delete(statements.keys().next().value ?? sql);
    return statement;
  };
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  const dialect = new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare: (sql) => {
        const statement = prepare(sql);
        return {
          reader: statement.columns().length > 0,
          all: (parameters) => guard(file, sql, () => statement.all(...values(parameters))) ?? [],
          run: (parameters) => guard(file, sql, () => statement.run(...values(parameters))) ?? NOTHING_CHANGED,
          iterate: (parameters) => statement.iterate(...values(parameters)),
        };
      },
    },
  });
  return {
    dialect,
    growingId: (table, column) => table.addColumn(column, "integer", (c) => c.primaryKey().autoIncrement()),
  };
}

/** Throws LV_DISK_FULL for a full disk. Undefined: there was nothing to roll back. */
function guard<T>(file: string, sql: string, query: () => T): T | undefined {
  try {
    return query();
  } catch (error) {
    // SQLite has ended the transaction itself (sqlite.org/lang_transaction.html, 3.1), and this would hide why.
    if (sql === "rollback" && /no transaction is active/.test(messageOf(error))) return undefined;
    if (!(error instanceof Error && "errcode" in error && error.errcode === SQLITE_FULL)) throw error;
    throw new LightvError("LV_DISK_FULL", `no room for the controller's database ${file}`, {
      hint: "delete images that no device uses (`lightv fleet images`), or enlarge data-dir",
      cause: error,
    });
  }
}

function open(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 1000 });
    database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
    database.exec("BEGIN EXCLUSIVE; COMMIT");
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Error && "errcode" in error && error.errcode === 5)
      throw new LightvError("LV_CONFLICT", `${file} is in use by another lightv-fleet`, { hint: "stop that one, or set another data-dir" });
    throw new LightvError("LV_CONFIG", `cannot open the database ${file}: ${messageOf(error)}`, {
      hint: "check data-dir, its owner and the free space",
      cause: error,
    });
  }
}
