/** Commands of the controller: each is done once, ends within its time, and is answered. */
import type { Clock } from "#agent/lib/clock.ts";
import { followLog, type LogLine, tailLog } from "#agent/lib/cri-log.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { Command } from "#agent/wire/protocol/cmd.ts";
import type { LogBatch } from "#agent/wire/protocol/log.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import { ControllerClock } from "./controller-clock.ts";

type CommandOf<T extends Command["type"]> = Extract<Command, { type: T }>;
type Outcome = Omit<CommandResult, "id" | "ok" | "at">;
/** What a handler gives; `after` runs when the answer is on disk and, if there is a connection, sent. */
type Handled = Outcome & { readonly after?: () => Promise<void> };

export interface CommandJournal {
  begin(
    id: string,
    type: string,
  ): { readonly state: "new" } | { readonly state: "begun" } | { readonly state: "done"; readonly result: CommandResult };
  finish(result: CommandResult): void;
  forget(id: string): void;
  delivered(id: string): void;
  undelivered(): CommandResult[];
  interrupted(): { id: string; type: string }[];
}

export interface CommandParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: CommandJournal;
  readonly engine: SandboxEngine;
  readonly sandboxOf: (app: string) => string;
  readonly restart: (app: string) => Promise<void>;
  readonly refreshInventory: () => Promise<void>;
  readonly runReboot: () => Promise<void>;
  readonly sendResult: (result: CommandResult) => Promise<void>;
  readonly sendLog: (batch: LogBatch) => Promise<void>;
}

const EXEC_TIMEOUT_MS = 60_000;
/** Of each stream. JSON may make six bytes of one, and the answer must fit into a message. */
const EXEC_OUTPUT_BYTES = 16_384;
const RESULT_BYTES = 60_000;
const LOG_TAIL = 200;
const LOG_TAIL_MAX = 10_000;
const LOG_BATCH_BYTES = 48_000;
const LOG_BATCH_LINES = 256;
const LINE_BYTES = 16_384;
/** Commands at work at the same time; more are answered as refused. */
const MAX_RUNNING = 16;
/** Longest wait for the answer's way out before the machine goes down. */
const REBOOT_GRACE_MS = 3_000;

export class Commands {
  readonly controllerClock: ControllerClock;
  private readonly parts: CommandParts;
  private readonly running = new Set<Promise<void>>();
  private readonly handlers: { readonly [T in Command["type"]]: (command: CommandOf<T>, signal: AbortSignal) => Promise<Handled> };
  private stopping = new AbortController();

  constructor(parts: CommandParts) {
    this.parts = parts;
    this.controllerClock = new ControllerClock(parts.clock);
    this.handlers = {
      restart: (command) => this.restart(command),
      exec: (command) => this.exec(command),
      logs: (command, signal) => this.logs(command, signal),
      reboot: (command) => this.reboot(command),
      inventory: () => this.inventory(),
    };
  }

  /** Answers what the agent's end has cut off: what can't be known to be undone is not done again. */
  start(): void {
    this.stopping = new AbortController();
    for (const { id, type } of this.parts.journal.interrupted()) {
      if (type !== "exec") this.parts.journal.forget(id);
      else
        this.finish(
          id,
          failed(
            new LightvError("LV_UNAVAILABLE", "the agent ended before the program did", {
              hint: "look whether it has had its effect before you run it again",
            }),
          ),
        );
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    await Promise.allSettled(this.running);
  }

  /** Sends the answers that nobody has yet; to be called at each connection. */
  async resend(): Promise<void> {
    for (const result of this.parts.journal.undelivered()) await this.send(result);
  }

  take(command: Command): void {
    const { journal, log } = this.parts;
    if (this.running.size >= MAX_RUNNING) {
      log.warn(`refused command ${command.id}: ${MAX_RUNNING} commands are at work`);
      return;
    }
    const entry = journal.begin(command.id, command.type);
    if (entry.state === "begun") return;
    const work = (entry.state === "done" ? this.send(entry.result) : this.perform(command))
      .catch((error: unknown) => log.error(`command ${command.id}: ${messageOf(error)}`))
      .finally(() => this.running.delete(work));
    this.running.add(work);
  }

  private async perform(command: Command): Promise<void> {
    const { log } = this.parts;
    log.info(`command ${command.type}`, { id: command.id });
    const { after, ...outcome } = await this.handle(command).catch((error: unknown): Handled => failed(error));
    const result = this.finish(command.id, outcome);
    await this.send(result);
    await after?.().catch((error: unknown) => log.error(`command ${command.type} ${command.id}: ${messageOf(error)}`));
  }

  private handle(command: Command): Promise<Handled> {
    const { expiresAt } = command;
    if (expiresAt !== undefined && this.controllerClock.isPast(expiresAt, command.issuedAt))
      return Promise.reject(
        new LightvError("LV_EXPIRED", `command ${command.id} came after ${expiresAt}`, { hint: "give it again with a later expiry" }),
      );
    const handler = this.handlers[command.type] as (command: Command, signal: AbortSignal) => Promise<Handled>;
    return handler(command, this.stopping.signal);
  }

  private finish(id: string, outcome: Outcome): CommandResult {
    const result = fit({ id, ok: outcome.code === undefined, at: this.parts.clock.wall(), ...outcome });
    this.parts.journal.finish(result);
    return result;
  }

  private async send(result: CommandResult): Promise<void> {
    const { sendResult, journal, log } = this.parts;
    try {
      await sendResult(result);
      journal.delivered(result.id);
    } catch (error) {
      log.debug(`the answer of ${result.id} waits: ${messageOf(error)}`);
    }
  }

  private async restart({ app }: CommandOf<"restart">): Promise<Handled> {
    await this.parts.restart(app);
    return {};
  }

  private async exec({ app, command, timeoutMs = EXEC_TIMEOUT_MS }: CommandOf<"exec">): Promise<Handled> {
    const { engine, sandboxOf } = this.parts;
    const outcome = await engine.exec(sandboxOf(app), { args: command, timeoutMs, maxOutputBytes: EXEC_OUTPUT_BYTES });
    const output = { stdout: text(outcome.stdout), stderr: text(outcome.stderr), ...(outcome.truncated ? { truncated: true } : {}) };
    if (!outcome.timedOut) return { exitCode: outcome.exitCode, ...output };
    return { code: "LV_TIMEOUT", error: `${command[0]} did not end within ${timeoutMs} ms and was killed`, ...output };
  }

  private async logs(command: CommandOf<"logs">, signal: AbortSignal): Promise<Handled> {
    const { engine, sandboxOf, clock } = this.parts;
    const { app, tail = LOG_TAIL, followMs = 0 } = command;
    const sandboxId = sandboxOf(app);
    const path = engine.logPath(sandboxId);
    const follower = followMs > 0 ? await followLog(path) : undefined;
    try {
      const lines = await tailLog(path, Math.min(tail, LOG_TAIL_MAX), signal);
      await this.sendLines(command, sandboxId, lines);
      let seq = lines.at(-1)?.seq ?? -1;
      const until = clock.uptimeMs() + followMs;
      while (follower !== undefined && clock.uptimeMs() < until && !signal.aborted) {
        await clock.sleep(Math.min(300, until - clock.uptimeMs()), signal).catch(() => undefined);
        const fresh = (await follower.read()).map((line) => ({ ...line, seq: ++seq }));
        await this.sendLines(command, sandboxId, fresh);
      }
      return {};
    } finally {
      await follower?.close();
    }
  }

  private async sendLines(command: CommandOf<"logs">, sandboxId: string, lines: readonly LogLine[]): Promise<void> {
    for (const batch of batches(lines)) await this.parts.sendLog({ app: command.app, sandboxId, command: command.id, lines: batch });
  }

  private async reboot({ delayMs = 0 }: CommandOf<"reboot">): Promise<Handled> {
    const { clock, runReboot } = this.parts;
    return {
      after: async () => {
        await clock.sleep(Math.max(delayMs, REBOOT_GRACE_MS), this.stopping.signal).catch(() => undefined);
        await runReboot();
      },
    };
  }

  private async inventory(): Promise<Handled> {
    await this.parts.refreshInventory();
    return {};
  }
}

function failed(error: unknown): Outcome {
  const code = error instanceof LightvError ? error.code : "LV_INTERNAL";
  return { code, error: messageOf(error).slice(0, 1024) };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** Cuts the beginning of the output until the message fits; what is said last matters most. Pure. */
export function fit(result: CommandResult): CommandResult {
  let { stdout, stderr } = result;
  let fitting = result;
  while (Buffer.byteLength(JSON.stringify(fitting)) > RESULT_BYTES) {
    stdout = stdout?.slice(Math.ceil(stdout.length / 2));
    stderr = stderr?.slice(Math.ceil(stderr.length / 2));
    fitting = { ...result, truncated: true, ...(stdout === undefined ? {} : { stdout }), ...(stderr === undefined ? {} : { stderr }) };
  }
  return fitting;
}

/** Lines in messages that are small enough each. Pure. */
export function batches(lines: readonly LogLine[]): LogBatch["lines"][] {
  const result: LogBatch["lines"][] = [];
  let batch: LogBatch["lines"] = [];
  let bytes = 0;
  for (const { seq, stream, at, text: whole } of lines) {
    const line = { seq, stream, at, text: whole.slice(0, LINE_BYTES) };
    const size = Buffer.byteLength(JSON.stringify(line)) + 1;
    if (batch.length > 0 && (bytes + size > LOG_BATCH_BYTES || batch.length >= LOG_BATCH_LINES)) {
      result.push(batch);
      batch = [];
      bytes = 0;
    }
    if (size > LOG_BATCH_BYTES) line.text = line.text.slice(0, Math.floor(LOG_BATCH_BYTES / 8));
    batch.push(line);
    bytes += Math.min(size, LOG_BATCH_BYTES);
  }
  return batch.length === 0 ? result : [...result, batch];
}
