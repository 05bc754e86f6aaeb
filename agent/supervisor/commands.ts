/** Commands of the controller: each is done once, ends within its time, and is answered. */
import type { Clock } from "#agent/lib/clock.ts";
import { type LogLine, LogReader } from "#agent/lib/cri-log.ts";
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
  /** As `begin`, without noting anything. */
  find(id: string): ReturnType<CommandJournal["begin"]>;
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
/** Of text: ten thousand long lines would fill the agent's memory. */
const LOG_TAIL_BYTES = 2 << 20;
const LOG_POLL_MS = 300;
const LOG_BATCH_BYTES = 48_000;
const LOG_BATCH_LINES = 256;
const LINE_BYTES = 16_384;
/** Commands at work at the same time; more wait for their turn. */
const MAX_RUNNING = 16;
/** As many as the controller keeps for a device; more are refused with an answer. */
const MAX_WAITING = 256;
/** At the agent's end nobody waits longer for a program or a pull: the next start answers what was cut off. */
const STOP_GRACE_MS = 5_000;
/** Longest wait for the answer's way out before the machine goes down. */
const REBOOT_GRACE_MS = 3_000;

export class Commands {
  readonly controllerClock: ControllerClock;
  private readonly parts: CommandParts;
  private readonly running = new Set<Promise<void>>();
  /** By id, in the order in which they came. Not begun yet: a restart of the agent forgets them, and the controller sends them again. */
  private readonly waiting = new Map<string, Command>();
  private performing = 0;
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
    this.waiting.clear();
    const enough = new AbortController();
    const ended = Promise.allSettled(this.running).finally(() => enough.abort(new Error("all have ended")));
    await Promise.race([ended, this.parts.clock.sleep(STOP_GRACE_MS, enough.signal).catch(() => undefined)]);
  }

  /** Sends the answers that nobody has yet; to be called at each connection. */
  async resend(): Promise<void> {
    for (const result of this.parts.journal.undelivered()) await this.send(result);
  }

  /** One that has an answer gets it again; one that is at work or waits goes on; any other has its turn. */
  take(command: Command): void {
    if (this.waiting.has(command.id)) return;
    const entry = this.parts.journal.find(command.id);
    if (entry.state === "done") this.track(command, this.send(entry.result));
    else if (entry.state === "new") this.enqueue(command);
  }

  private enqueue(command: Command): void {
    if (this.waiting.size >= MAX_WAITING) {
      this.refuse(command);
      return;
    }
    this.waiting.set(command.id, command);
    this.next();
  }

  private refuse(command: Command): void {
    const { journal, log } = this.parts;
    log.warn(`refused command ${command.id}: ${MAX_WAITING} others wait`);
    journal.begin(command.id, command.type);
    const reason = new LightvError("LV_UNAVAILABLE", `${MAX_WAITING} commands wait on this device already`, {
      hint: "nothing was done; give it again when some have been answered",
    });
    this.track(command, this.send(this.finish(command.id, failed(reason))));
  }

  private next(): void {
    while (this.performing < MAX_RUNNING && !this.stopping.signal.aborted) {
      const [command] = this.waiting.values();
      if (command === undefined) return;
      this.waiting.delete(command.id);
      this.performing++;
      const work = this.perform(command).finally(() => {
        this.performing--;
        this.next();
      });
      this.track(command, work);
    }
  }

  private track(command: Command, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.parts.log.error(`command ${command.id}: ${messageOf(error)}`))
      .finally(() => this.running.delete(tracked));
    this.running.add(tracked);
  }

  private async perform(command: Command): Promise<void> {
    const { log, journal } = this.parts;
    log.info(`command ${command.type}`, { id: command.id });
    journal.begin(command.id, command.type);
    const { after, ...outcome } = await this.handle(command).catch((error: unknown): Handled => failed(error));
    // Cut off by the agent's end: the next start answers it, or has it done again.
    if (outcome.code !== undefined && this.stopping.signal.aborted) return;
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
    const reader = new LogReader(engine.logPath(sandboxId));
    try {
      await this.sendLines(command, sandboxId, await reader.tail(Math.min(tail, LOG_TAIL_MAX), LOG_TAIL_BYTES));
      const until = clock.uptimeMs() + followMs;
      while (clock.uptimeMs() < until && !signal.aborted) {
        await clock.sleep(Math.min(LOG_POLL_MS, until - clock.uptimeMs()), signal).catch(() => undefined);
        await this.sendLines(command, sandboxId, await reader.read());
      }
      return {};
    } finally {
      await reader.close();
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
