/** `lightv fleet events` and `logs`: what the event stream brings. */
import type { Command } from "commander";
import { nanoid } from "nanoid";
import { isLightvError, LightvError } from "#agent/lib/errors.ts";
import type { LogBatch } from "#agent/wire/protocol/log.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import type { Client } from "./client.ts";
import { failure } from "./commands.ts";
import { type Format, oneLine } from "./output.ts";
import { openSession } from "./session.ts";
import { parseInteger } from "./values.ts";
import type { EventView } from "./views.ts";

const FOLLOW_MS = 3_600_000;
const EXPIRY_MS = 60_000;
const AGAIN_MS = 1_000;

interface EventOptions {
  readonly follow?: boolean;
  readonly device?: string;
  readonly app?: string;
  readonly type?: string;
  readonly tail: string;
}

export function watchVerbs(fleet: Command): void {
  fleet
    .command("events")
    .description("What has happened on devices")
    .option("-f, --follow", "go on with what happens")
    .option("--device <device>", "of one device")
    .option("--app <app>", "of one app")
    .option("--type <type>", "of one type (app.exited), or of a group (app.)")
    .option("-n, --tail <n>", "the newest so many", "100")
    .action(async (options: EventOptions, command: Command) => {
      const { client, format } = await openSession(command);
      const query = { ...pick("device", options.device), ...pick("app", options.app), ...pick("type", options.type) };
      const limit = parseInteger("--tail", options.tail, 1, 10_000);
      const { events } = await client.call<{ events: EventView[] }>(
        "GET",
        `/v1/events?${new URLSearchParams({ ...query, limit: `${limit}` })}`,
      );
      for (const event of events) printEvent(format, event);
      if (options.follow) await follow(client, { ...query, kind: "event" }, events.at(-1)?.id ?? (await newest(client)), format);
    });

  fleet
    .command("logs <device> <app>")
    .description("Lines of an app's stdout and stderr")
    .option("-f, --follow", "go on with new lines, for up to an hour")
    .option("-n, --tail <n>", "the last so many", "100")
    .option("-t, --timestamps", "with their times")
    .action(async (device: string, app: string, options: { follow?: boolean; tail: string; timestamps?: boolean }, command: Command) => {
      const { client } = await openSession(command);
      const tail = parseInteger("--tail", options.tail);
      const body = { type: "logs", app, tail, followMs: options.follow ? FOLLOW_MS : 0, expiresInMs: EXPIRY_MS };
      const result = await logs(client, device, body, options.timestamps ?? false);
      if (!result.ok) throw failure(result);
    });
}

function pick(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}

async function newest(client: Client): Promise<number> {
  const { next } = await client.call<{ next: number }>("GET", "/v1/events?limit=1");
  return next;
}

/** Across cuts of the connection, without a hole: the stream takes up where we were. */
async function follow(client: Client, query: Record<string, string>, after: number, format: Format): Promise<never> {
  let lastId = String(after);
  for (;;) {
    try {
      for await (const item of client.stream(query, { lastId })) {
        lastId = item.id ?? lastId;
        printEvent(format, item.data as EventView);
      }
    } catch (error) {
      if (!isLightvError(error, "LV_UNAVAILABLE") && (error as { code?: string }).code !== "ECONNRESET") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function printEvent(format: Format, event: EventView): void {
  if (format === "json") console.log(JSON.stringify(event));
  else console.log(oneLine([event.at, event.device, event.type, event.app ?? "-", JSON.stringify(event.data)].join("  ")));
}

/** The command is given only once the stream is open: no line can come before we listen. */
async function logs(client: Client, device: string, body: object, timestamps: boolean): Promise<CommandResult> {
  const id = nanoid();
  let given: Promise<unknown> = Promise.resolve();
  const end = new AbortController();
  const onOpen = (): void => {
    given = client.call("POST", `/v1/devices/${encodeURIComponent(device)}/commands`, { id, ...body }).catch((error: unknown) => {
      end.abort();
      throw error;
    });
    given.catch(() => undefined);
  };
  // An expired command has no result in the stream.
  const timer = setTimeout(() => end.abort(), EXPIRY_MS);
  let heard = false;
  try {
    for await (const item of client.stream({ device, kind: "log,result", command: id }, { signal: end.signal, onOpen })) {
      if (!heard) clearTimeout(timer);
      heard = true;
      if (item.kind === "result") return item.data as CommandResult;
      printLines(item.data as LogBatch, timestamps);
    }
  } catch (error) {
    if (!end.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  await given;
  throw new LightvError("LV_TIMEOUT", `no ${heard ? "more " : ""}log lines from ${device}`, {
    hint: "is it online? `lightv fleet devices`",
  });
}

function printLines({ lines }: LogBatch, timestamps: boolean): void {
  for (const { stream, at, text } of lines) {
    const line = `${timestamps ? `${at} ` : ""}${text}\n`;
    if (stream === "stdout") process.stdout.write(line);
    else process.stderr.write(line);
  }
}
