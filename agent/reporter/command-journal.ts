/** Commands that have come, and how they ended: what makes a command that comes twice be done once. The last 1,000 are kept. */
import { type Database, transaction } from "#agent/lib/sqlite.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";

export const JOURNAL_SCHEMA = `
CREATE TABLE IF NOT EXISTS command (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, result TEXT, delivered INTEGER NOT NULL DEFAULT 0);
`;

const KEPT = 1000;

export type Entry = { readonly state: "new" } | { readonly state: "begun" } | { readonly state: "done"; readonly result: CommandResult };

export class CommandJournal {
  private readonly database: Database;

  constructor(database: Database) {
    this.database = database;
  }

  /** "new" is answered once for an id: it is then noted, on disk, as begun. */
  begin(id: string, type: string): Entry {
    return transaction(this.database, () => {
      const known = this.find(id);
      if (known.state !== "new") return known;
      const { lastInsertRowid } = this.database.prepare("INSERT INTO command (id, type) VALUES (?, ?)").run(id, type);
      // A result that nobody has yet is kept, however old.
      this.database.prepare("DELETE FROM command WHERE n <= ? AND delivered = 1").run(Number(lastInsertRowid) - KEPT);
      return { state: "new" };
    });
  }

  find(id: string): Entry {
    const row = this.database.prepare("SELECT result FROM command WHERE id = ?").get(id);
    return row === undefined ? { state: "new" } : entryOf(row.result);
  }

  finish(result: CommandResult): void {
    this.database.prepare("UPDATE command SET result = ?, delivered = 0 WHERE id = ?").run(JSON.stringify(result), result.id);
  }

  /** As if it had never come: the controller sends it again. */
  forget(id: string): void {
    this.database.prepare("DELETE FROM command WHERE id = ?").run(id);
  }

  /** The broker has it; should the controller not, it sends the command again. */
  delivered(id: string): void {
    this.database.prepare("UPDATE command SET delivered = 1 WHERE id = ? AND delivered = 0").run(id);
  }

  undelivered(): CommandResult[] {
    const rows = this.database.prepare("SELECT result FROM command WHERE result IS NOT NULL AND delivered = 0 ORDER BY n").all();
    return rows.map((row) => JSON.parse(String(row.result)) as CommandResult);
  }

  /** Commands that were begun when the agent died. */
  interrupted(): { id: string; type: string }[] {
    const rows = this.database.prepare("SELECT id, type FROM command WHERE result IS NULL ORDER BY n").all();
    return rows.map((row) => ({ id: String(row.id), type: String(row.type) }));
  }
}

function entryOf(result: unknown): Entry {
  return typeof result === "string" ? { state: "done", result: JSON.parse(result) as CommandResult } : { state: "begun" };
}
