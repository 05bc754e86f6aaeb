/** `lightv fleet …`: all verbs, on whatever program they are hung. */
import type { Command } from "commander";
import { agentVerbs } from "./agent.ts";
import { agentKeyVerbs } from "./agent-keys.ts";
import { commandVerbs } from "./commands.ts";
import { deployVerbs } from "./deploy.ts";
import { deviceVerbs } from "./devices.ts";
import { imageVerbs } from "./images.ts";
import { tokenVerbs } from "./tokens.ts";
import { watchVerbs } from "./watch.ts";

export function registerFleet(program: Command): void {
  const fleet = program.command("fleet").description("Devices of a fleet controller, and what they run").enablePositionalOptions();
  for (const verbs of [deviceVerbs, deployVerbs, watchVerbs, commandVerbs, imageVerbs, agentVerbs, agentKeyVerbs, tokenVerbs]) verbs(fleet);
  withConnection(fleet);
}

/** On the group and on every verb, so that these flags may stand before the verb or behind it. */
function withConnection(command: Command): void {
  command
    .option("--url <url>", "the controller's address (or LIGHTV_FLEET_URL, or what `lightv fleet login` saved)")
    .option("--token <token>", "the API token (or LIGHTV_FLEET_TOKEN, or what was saved)")
    .option("--ca <file>", "CA of the controller's certificate (or LIGHTV_FLEET_CA)")
    .option("--format <format>", "table or json");
  for (const child of command.commands) withConnection(child);
}
