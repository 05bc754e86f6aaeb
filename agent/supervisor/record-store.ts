/** The records of all apps: in memory, and in the agent's database at each change. */
import type { Database } from "#agent/lib/sqlite.ts";
import { type AppRecord, NO_RECORD } from "./model.ts";

export const RECORD_SCHEMA = "CREATE TABLE IF NOT EXISTS app (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID";

export class RecordStore {
  private readonly database: Database;
  private readonly records = new Map<string, AppRecord>();

  constructor(database: Database) {
    this.database = database;
  }

  /** Reads what is there; to be called once before anything else. */
  load(): void {
    for (const row of this.database.prepare("SELECT name, record FROM app").all()) {
      this.records.set(String(row.name), { ...NO_RECORD, ...(JSON.parse(String(row.record)) as Partial<AppRecord>) });
    }
  }

  all(): ReadonlyMap<string, AppRecord> {
    return this.records;
  }

  get(name: string): AppRecord {
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
  }

  forget(name: string): void {
    if (!this.records.delete(name)) return;
    this.database.prepare("DELETE FROM app WHERE name = ?").run(name);
  }
}
