/** `lightv fleet exec`, `restart`, `reboot`: commands to a device, and their answers. */
import type { Command } from "commander";
import { nanoid } from "nanoid";
import { LightvError } from "#agent/lib/errors.ts";
import { CODES, type Code } from "#agent/wire/codes.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import type { Client } from "./client.ts";
import { openSession } from "./session.ts";
import { parseDuration } from "./values.ts";
import type { CommandView } from "./views.ts";

const WAIT_SLICE_MS = 30_000;

interface CommandOptions {
  readonly timeout: string;
  /** Commander's --no-wait. */
  readonly wait: boolean;
}

export function commandVerbs(fleet: Command): void {
  fleet
    .command("exec <device> <app> <command...>")
    .description("Run a program in an app's sandbox; its exit code is ours")
    .option("--timeout <time>", "until the answer is there", "60s")
    .passThroughOptions()
    .action(async (device: string, app: string, words: string[], options: { timeout: string }, command: Command) => {
      const { client } = await openSession(command);
      const timeoutMs = parseDuration("--timeout", options.timeout);
      const result = await give(client, device, { type: "exec", app, command: words, timeoutMs: Math.min(timeoutMs, 600_000) }, timeoutMs);
      process.stdout.write(result.stdout ?? "");
      process.stderr.write(result.stderr ?? "");
      if (result.truncated) process.stderr.write("lightv: the output was longer: this is its end\n");
      if (!result.ok && result.exitCode === undefined) throw failure(result);
      process.exitCode = result.exitCode ?? 0;
    });

  for (const [verb, description] of [
    ["restart <device> <app>", "Restart an app"],
    ["reboot <device>", "Reboot a device"],
  ] as const)
    fleet
      .command(verb)
      .description(description)
      .option("--timeout <time>", "until the answer is there; a device that is away by then does nothing", "60s")
      .option("--no-wait", "print the command's id and go; the device does it when it is there")
      .action(async (device: string, ...rest: unknown[]) => {
        const command = rest.at(-1) as Command;
        const app = typeof rest[0] === "string" ? { app: rest[0] } : {};
        await simple(command, device, { type: command.name(), ...app });
      });
}

async function simple(command: Command, device: string, body: { type: string; app?: string }): Promise<void> {
  const { client } = await openSession(command);
  const options = command.opts<CommandOptions>();
  const timeoutMs = parseDuration("--timeout", options.timeout);
  if (!options.wait) {
    const { id } = await client.call<CommandView>("POST", `/v1/devices/${encodeURIComponent(device)}/commands`, { id: nanoid(), ...body });
    console.log(id);
    return;
  }
  const result = await give(client, device, body, timeoutMs);
  if (!result.ok) throw failure(result);
  console.log(body.app ?? device);
}

/** Gives a command and waits for its answer. Throws LV_TIMEOUT or LV_EXPIRED. */
async function give(client: Client, device: string, body: object, timeoutMs: number): Promise<CommandResult> {
  const end = performance.now() + timeoutMs;
  const path = `/v1/devices/${encodeURIComponent(device)}/commands`;
  const id = nanoid();
  let view = await client.call<CommandView>("POST", path, { id, ...body, expiresInMs: timeoutMs });
  while (view.state === "pending" && performance.now() < end + 1000) {
    const waitMs = Math.ceil(Math.min(WAIT_SLICE_MS, Math.max(1, end + 1000 - performance.now())));
    view = await client.call<CommandView>("GET", `${path}/${id}?waitMs=${waitMs}`);
  }
  if (view.result !== null) return view.result;
  throw new LightvError(view.state === "expired" ? "LV_EXPIRED" : "LV_TIMEOUT", `no answer from ${device} in ${timeoutMs / 1000} s`, {
    hint: "is it online? `lightv fleet devices`; a longer --timeout, or --no-wait where there is one",
  });
}

export function failure(result: CommandResult): LightvError {
  const code: Code = result.code !== undefined && result.code in CODES ? (result.code as Code) : "LV_INTERNAL";
  return new LightvError(code, result.error ?? `the device answered ${result.code ?? "with a failure"}`);
}
