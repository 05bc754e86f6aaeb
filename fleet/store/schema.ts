/** Tables as Kysely sees them. Times are milliseconds since 1970 as integers; JSON is text; truth values are 0 and 1: the same in SQLite and PostgreSQL. */
import type { Generated, Kysely, Transaction } from "kysely";

export interface DeviceTable {
  id: string;
  /** SHA-256 (hex) of a password of 256 random bits: nothing to stretch. */
  password_hash: string;
  enrolled_by: string;
  enrolled_at: number;
  architecture: string;
  agent_version: string;
  boot_id: string;
  /** Session number of the connection that was last heard of; 0: never connected. */
  session: number;
  online: number;
  last_seen_at: number | null;
  /** Every event up to here is committed, or known to be lost. */
  acked_seq: number;
  desired_revision: number;
  desired_issued_at: number;
  /** JSON array of apps (agent/wire/protocol/app.ts). */
  desired_apps: string;
  /** JSON of the wanted agent (agent/wire/protocol/desired.ts); null: whichever it has. */
  desired_agent: string | null;
  rejected_messages: number;
}

export interface ReportedTable {
  device: string;
  boot_id: string;
  session: number;
  n: number;
  desired_revision: number;
  received_at: number;
  body: string;
  /** The last inventory, which is not part of every report. */
  inventory: string | null;
}

export interface EventTable {
  id: Generated<number>;
  device: string;
  seq: number;
  boot_id: string;
  uptime_ms: number;
  at: string;
  received_at: number;
  type: string;
  app: string | null;
  data: string;
}

/** Ranges of sequence numbers that a device no longer had, both ends included. */
export interface LostTable {
  device: string;
  from_seq: number;
  to_seq: number;
  noted_at: number;
}

export interface CommandTable {
  id: string;
  device: string;
  n: Generated<number>;
  body: string;
  issued_at: number;
  expires_at: number | null;
  /** pending, answered or expired; an answer that comes after the expiry is still kept. */
  state: string;
  sent: number;
  answered_at: number | null;
  result: string | null;
}

export interface TokenTable {
  id: string;
  hash: string;
  note: string;
  created_at: number;
  expires_at: number;
  uses_left: number;
  revoked_at: number | null;
}

export interface ImageTable {
  digest: string;
  name: string;
  size: number;
  architecture: string;
  created: string;
  pushed_at: number;
  config: string;
}

export interface AuditTable {
  id: Generated<number>;
  at: number;
  actor: string;
  action: string;
  detail: string;
}

export interface Tables {
  devices: DeviceTable;
  reported: ReportedTable;
  events: EventTable;
  lost: LostTable;
  commands: CommandTable;
  tokens: TokenTable;
  images: ImageTable;
  audit: AuditTable;
}

/** What the store's functions work on: the database, or a transaction of it. */
export type Db = Kysely<Tables> | Transaction<Tables>;
