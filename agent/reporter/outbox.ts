/**
 * Events until the controller has committed them: numbered, on disk before anybody acts on them, bounded in bytes. Numbers never come
 * twice (AUTOINCREMENT, sqlite.org/autoinc.html), not after a power cut either (synchronous = FULL).
 */
import type { Clock } from "#agent/lib/clock.ts";
import { type Database, transaction } from "#agent/lib/sqlite.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";

export const OUTBOX_SCHEMA = `
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event_key (n INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;

/** Keys are needed while a sandbox can show the same end again; far more than there can be sandboxes. */
const MAX_KEYS = 4096;
/** When it is full it is emptied down to this share, so that a loss is told once and not with each event. */
const KEEP_SHARE = 0.75;
/** Of one row beyond its text: SQLite's own and the index. */
const ROW_BYTES = 16;
/** An event is shown to people and sent in one message: nothing in it may be larger. */
const MAX_EVENT_BYTES = 16_384;
/** A controller that claims more has no device of ours in mind: a session must stay a number that can be sent. */
const LAST_SESSION = 2 ** 52;

export interface OutboxEvent {
  readonly type: string;
  readonly app?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class Outbox {
  private readonly database: Database;
  private readonly clock: Clock;
  private readonly maxBytes: number;
  private bytes = 0;
  private listener: (() => void) | undefined;

  constructor(database: Database, clock: Clock, maxBytes: number) {
    this.database = database;
    this.clock = clock;
    this.maxBytes = maxBytes;
  }

  /** To be called once before anything else. */
  load(): void {
    this.bytes = Number(this.database.prepare("SELECT coalesce(sum(bytes), 0) AS sum FROM event").get()?.sum);
  }

  /** Called after each event that has become durable. */
  onEvent(listener: () => void): void {
    this.listener = listener;
  }

  /** On disk when it returns; `also` in the same transaction. */
  add(event: OutboxEvent, also?: () => void): void {
    this.atomic(() => {
      this.insert(event);
      this.makeRoom();
      also?.();
    });
  }

  /** Adds unless an event with this key was ever added; then also runs `also`, in the same transaction. */
  addOnce(key: string, event: OutboxEvent, also?: () => void): boolean {
    if (this.database.prepare("SELECT 1 FROM event_key WHERE key = ?").get(key) !== undefined) return false;
    this.atomic(() => {
      const { lastInsertRowid } = this.database.prepare("INSERT INTO event_key (key) VALUES (?)").run(key);
      this.database.prepare("DELETE FROM event_key WHERE n <= ?").run(Number(lastInsertRowid) - MAX_KEYS);
      this.add(event, also);
    });
    return true;
  }

  /** What these keys stand for can happen again: an event with one of them is then added once more. */
  forget(keys: readonly string[]): void {
    transaction(this.database, () => {
      for (const key of keys) this.database.prepare("DELETE FROM event_key WHERE key = ?").run(key);
    });
  }

  /** The oldest events behind `after`, as many as fit into `maxBytes` and `maxCount`. */
  next(after: number, maxBytes: number, maxCount: number): DeviceEvent[] {
    const events: DeviceEvent[] = [];
    let bytes = 0;
    const rows = this.database.prepare("SELECT seq, bytes, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?").iterate(after, maxCount);
    for (const row of rows) {
      bytes += Number(row.bytes);
      if (bytes > maxBytes && events.length > 0) break;
      events.push({ seq: Number(row.seq), ...(JSON.parse(String(row.body)) as Omit<DeviceEvent, "seq">) });
    }
    return events;
  }

  /**
   * The controller has committed everything up to `seq`. A number that we have not given yet means that our numbering is younger than the
   * controller's memory (the disk was replaced): what waits is then numbered anew behind it, so that nothing is taken for a repetition.
   */
  acknowledge(seq: number): void {
    transaction(this.database, () => {
      const last = this.lastSeq();
      if (seq > last) this.renumber(seq);
      else this.database.prepare("DELETE FROM event WHERE seq <= ?").run(seq);
    });
    this.load();
  }

  /** Events that wait. */
  count(): number {
    return Number(this.database.prepare("SELECT count(*) AS n FROM event").get()?.n);
  }

  lost(): number {
    return this.meta("lost");
  }

  /** Grows with each call, over restarts and reboots. */
  nextSession(): number {
    return transaction(this.database, () => {
      this.setMeta("session", this.meta("session") + 1);
      return this.meta("session");
    });
  }

  /** The controller knows this session already. True when we were not beyond it, which can't be but where the disk has forgotten. */
  passSession(known: number): boolean {
    if (known < this.meta("session") || known > LAST_SESSION) return false;
    this.setMeta("session", known);
    return true;
  }

  /** All of it and then the listener, or nothing: what a full disk refuses must not count as bytes that wait. */
  private atomic(body: () => void): void {
    try {
      transaction(this.database, body);
    } catch (error) {
      if (this.database.isOpen) this.load();
      throw error;
    }
    if (!this.database.isTransaction) this.listener?.();
  }

  private insert(event: OutboxEvent): void {
    const { type, app } = event;
    const stamp = { bootId: this.clock.bootId(), uptimeMs: this.clock.uptimeMs(), at: this.clock.wall() };
    const head = { ...stamp, type, ...(app === undefined ? {} : { app }) };
    const whole = JSON.stringify({ ...head, data: event.data });
    const body = whole.length <= MAX_EVENT_BYTES ? whole : JSON.stringify({ ...head, data: { truncated: true, bytes: whole.length } });
    const bytes = Buffer.byteLength(body) + ROW_BYTES;
    this.database.prepare("INSERT INTO event (bytes, body) VALUES (?, ?)").run(bytes, body);
    this.bytes += bytes;
  }

  /** Drops the oldest, and says so in an event of its own; an earlier such event that is dropped too is part of the new range. */
  private makeRoom(): void {
    if (this.bytes <= this.maxBytes) return;
    let [from, to, count] = [Number.POSITIVE_INFINITY, 0, 0];
    for (const row of this.database.prepare("SELECT seq, bytes, body FROM event ORDER BY seq").all()) {
      if (this.bytes <= this.maxBytes * KEEP_SHARE) break;
      const event = JSON.parse(String(row.body)) as DeviceEvent;
      to = Number(row.seq);
      const earlier = event.type === "events.lost" ? Number(event.data.from) : to;
      from = Math.min(from, earlier);
      if (earlier === to) count++;
      this.bytes -= Number(row.bytes);
    }
    this.database.prepare("DELETE FROM event WHERE seq <= ?").run(to);
    this.setMeta("lost", this.meta("lost") + count);
    this.insert({ type: "events.lost", data: { from, to, lostSoFar: this.meta("lost") } });
  }

  private renumber(behind: number): void {
    const rows = this.database.prepare("SELECT bytes, body FROM event ORDER BY seq").all();
    this.database.exec("DELETE FROM event");
    this.database.prepare("DELETE FROM sqlite_sequence WHERE name = 'event'").run();
    this.database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)").run(behind);
    for (const row of rows) this.database.prepare("INSERT INTO event (bytes, body) VALUES (?, ?)").run(row.bytes ?? 0, row.body ?? "");
  }

  /** The number that was given last; 0 when none was. */
  lastSeq(): number {
    return Number(this.database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'event'").get()?.seq ?? 0);
  }

  private meta(key: string): number {
    return Number(this.database.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.value ?? 0);
  }

  private setMeta(key: string, value: number): void {
    this.database
      .prepare("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
      .run(key, value);
  }
}
