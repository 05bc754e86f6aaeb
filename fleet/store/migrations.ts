/** The schema, step by step. A step that was shipped is never changed: add one. */
import { type Kysely, type Migration, Migrator } from "kysely";
import { LightvError } from "#agent/lib/errors.ts";
import type { Tables } from "./schema.ts";
import type { Flavour } from "./sqlite.ts";

/** Brings the database to the newest schema. Throws LV_CONFIG when it was written by a newer controller. */
export async function migrate(db: Kysely<Tables>, flavour: Flavour): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => steps(flavour) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const step = results?.find((result) => result.status === "Error")?.migrationName ?? "the history";
  throw new LightvError("LV_CONFIG", `cannot bring the database to this version's schema (${step}): ${String(error)}`, {
    hint: "a database of a newer lightv-fleet can't be used by an older one: install the newer, or restore a backup",
    cause: error,
  });
}

function steps(flavour: Flavour): Record<string, Migration> {
  return {
    "0001-first": { up: (db) => first(db as Kysely<Tables>, flavour) },
    "0002-agent": { up: (db) => db.schema.alterTable("devices").addColumn("desired_agent", "text").execute() },
  };
}

async function first(db: Kysely<Tables>, flavour: Flavour): Promise<void> {
  await devices(db);
  await history(db, flavour);
  await db.schema
    .createTable("tokens")
    .addColumn("id", "text", (c) => c.primaryKey())
    .addColumn("hash", "text", (c) => c.notNull().unique())
    .addColumn("note", "text", (c) => c.notNull())
    .addColumn("created_at", "bigint", (c) => c.notNull())
    .addColumn("expires_at", "bigint", (c) => c.notNull())
    .addColumn("uses_left", "integer", (c) => c.notNull())
    .addColumn("revoked_at", "bigint")
    .execute();
  await db.schema
    .createTable("images")
    .addColumn("digest", "text", (c) => c.primaryKey())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("size", "bigint", (c) => c.notNull())
    .addColumn("architecture", "text", (c) => c.notNull())
    .addColumn("created", "text", (c) => c.notNull())
    .addColumn("pushed_at", "bigint", (c) => c.notNull())
    .addColumn("config", "text", (c) => c.notNull())
    .execute();
  await db.schema.createIndex("images_name").on("images").columns(["name", "pushed_at"]).execute();
}

async function devices(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable("devices")
    .addColumn("id", "text", (c) => c.primaryKey())
    .addColumn("password_hash", "text", (c) => c.notNull())
    .addColumn("enrolled_by", "text", (c) => c.notNull())
    .addColumn("enrolled_at", "bigint", (c) => c.notNull())
    .addColumn("architecture", "text", (c) => c.notNull())
    .addColumn("agent_version", "text", (c) => c.notNull())
    .addColumn("boot_id", "text", (c) => c.notNull().defaultTo(""))
    .addColumn("session", "bigint", (c) => c.notNull().defaultTo(0))
    .addColumn("online", "integer", (c) => c.notNull().defaultTo(0))
    .addColumn("last_seen_at", "bigint")
    .addColumn("acked_seq", "bigint", (c) => c.notNull().defaultTo(0))
    .addColumn("desired_revision", "bigint", (c) => c.notNull().defaultTo(0))
    .addColumn("desired_issued_at", "bigint", (c) => c.notNull().defaultTo(0))
    .addColumn("desired_apps", "text", (c) => c.notNull().defaultTo("[]"))
    .addColumn("rejected_messages", "bigint", (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable("reported")
    .addColumn("device", "text", (c) => c.primaryKey().references("devices.id").onDelete("cascade"))
    .addColumn("boot_id", "text", (c) => c.notNull())
    .addColumn("session", "bigint", (c) => c.notNull())
    .addColumn("n", "bigint", (c) => c.notNull())
    .addColumn("desired_revision", "bigint", (c) => c.notNull())
    .addColumn("received_at", "bigint", (c) => c.notNull())
    .addColumn("body", "text", (c) => c.notNull())
    .addColumn("inventory", "text")
    .execute();
}

async function history(db: Kysely<Tables>, flavour: Flavour): Promise<void> {
  await flavour
    .growingId(db.schema.createTable("events"), "id")
    .addColumn("device", "text", (c) => c.notNull().references("devices.id").onDelete("cascade"))
    .addColumn("seq", "bigint", (c) => c.notNull())
    .addColumn("boot_id", "text", (c) => c.notNull())
    .addColumn("uptime_ms", "bigint", (c) => c.notNull())
    .addColumn("at", "text", (c) => c.notNull())
    .addColumn("received_at", "bigint", (c) => c.notNull())
    .addColumn("type", "text", (c) => c.notNull())
    .addColumn("app", "text")
    .addColumn("data", "text", (c) => c.notNull())
    .addUniqueConstraint("events_device_seq", ["device", "seq"])
    .execute();
  await db.schema
    .createTable("lost")
    .addColumn("device", "text", (c) => c.notNull().references("devices.id").onDelete("cascade"))
    .addColumn("from_seq", "bigint", (c) => c.notNull())
    .addColumn("to_seq", "bigint", (c) => c.notNull())
    .addColumn("noted_at", "bigint", (c) => c.notNull())
    .addPrimaryKeyConstraint("lost_range", ["device", "from_seq", "to_seq"])
    .execute();
  await flavour
    .growingId(db.schema.createTable("commands"), "n")
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("device", "text", (c) => c.notNull().references("devices.id").onDelete("cascade"))
    .addColumn("body", "text", (c) => c.notNull())
    .addColumn("issued_at", "bigint", (c) => c.notNull())
    .addColumn("expires_at", "bigint")
    .addColumn("state", "text", (c) => c.notNull())
    .addColumn("sent", "integer", (c) => c.notNull())
    .addColumn("answered_at", "bigint")
    .addColumn("result", "text")
    .addUniqueConstraint("commands_device_id", ["device", "id"])
    .execute();
  await db.schema.createIndex("commands_state").on("commands").columns(["device", "state"]).execute();
  await flavour
    .growingId(db.schema.createTable("audit"), "id")
    .addColumn("at", "bigint", (c) => c.notNull())
    .addColumn("actor", "text", (c) => c.notNull())
    .addColumn("action", "text", (c) => c.notNull())
    .addColumn("detail", "text", (c) => c.notNull())
    .execute();
}
