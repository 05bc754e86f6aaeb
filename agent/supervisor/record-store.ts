/** The records of all apps: in memory, and in the agent's database at each change. */
import type { Database } from "#agent/lib/sqlite.ts";
import { type AppRecord, NO_RECORD } from "./model.ts";

export const RECORD_SCHEMA = "CREATE TABLE IF NOT EXISTS app (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID";

export class RecordStore {
  private readonly database: Database;
  private readonly records = new Map<string, AppRecord>();
  /** Changed within a transaction of somebody else, which may still come to nothing (a full disk says so at the commit). */
  private readonly doubtful = new Set<string>();

  constructor(database: Database) {
    this.database = database;
  }

  /** Reads what is there; to be called once before anything else. */
  load(): void {
    for (const row of this.database.prepare("SELECT name, record FROM app").all()) {
      this.records.set(String(row.name), recordOf(row.record));
    }
  }

  all(): ReadonlyMap<string, AppRecord> {
    this.settle();
    return this.records;
  }

  get(name: string): AppRecord {
    this.settle();
    return this.records.get(name) ?? NO_RECORD;
  }

  /** Persists before it returns; writes nothing when nothing changes (flash wears out). */
  update(name: string, change: (record: AppRecord) => AppRecord): void {
    const before = this.get(name);
    const after = change(before);
    const text = JSON.stringify(after);
    if (text === JSON.stringify(before)) return;
    this.database
      .prepare("INSERT INTO app (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record")
      .run(name, text);
    this.records.set(name, after);
    if (this.database.isTransaction) this.doubtful.add(name);
  }

  /** Memory says what the disk says, whatever became of the transaction. */
  private settle(): void {
    if (this.doubtful.size === 0 || !this.database.isOpen) return;
    for (const name of this.doubtful) {
      const row = this.database.prepare("SELECT record FROM app WHERE name = ?").get(name);
      if (row === undefined) this.records.delete(name);
      else this.records.set(name, recordOf(row.record));
    }
    if (!this.database.isTransaction) this.doubtful.clear();
  }

  forget(name: string): void {
    if (!this.records.delete(name)) return;
    this.database.prepare("DELETE FROM app WHERE name = ?").run(name);
  }
}

function recordOf(text: unknown): AppRecord {
  return { ...NO_RECORD, ...(JSON.parse(String(text)) as Partial<AppRecord>) };
}
