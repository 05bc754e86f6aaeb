/** What every verb gets: the client, the format, where to write. Commander's global flags end here. */
import type { Command } from "commander";
import { LightvError } from "#agent/lib/errors.ts";
import { Client } from "./client.ts";
import type { Format } from "./output.ts";
import { type ProfileFlags, resolveProfile } from "./profile.ts";

export interface Session {
  readonly client: Client;
  readonly format: Format;
}

/** `command` is the one whose action runs: its parents hold the global flags. */
export async function openSession(command: Command): Promise<Session> {
  const flags = command.optsWithGlobals<ProfileFlags & { format?: string }>();
  const format = flags.format ?? "table";
  if (format !== "table" && format !== "json")
    throw new LightvError("LV_USAGE", `--format ${format}: must be table or json`, { hint: "for one field use jq on the JSON" });
  return { client: new Client(await resolveProfile(flags)), format };
}
