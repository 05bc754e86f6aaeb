/** The device's state of now, told when it changes: what happens within a second is one message. */
import type { Clock } from "#agent/lib/clock.ts";
import { messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { AgentReport, AppReport, Inventory, Reported } from "#agent/wire/protocol/reported.ts";
import { MAX_PAYLOAD_BYTES } from "#agent/wire/topics.ts";

export interface ReporterOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly apps: () => AppReport[];
  readonly agent: () => AgentReport;
  readonly desiredRevision: () => number;
  readonly rejectedMessages: () => number;
  readonly lostEvents: () => number;
  readonly inventory: () => Promise<Inventory>;
  readonly send: (message: Reported) => Promise<void>;
}

const COALESCE_MS = 1000;

export class Reporter {
  private readonly options: ReporterOptions;
  private inventory: Inventory | undefined;
  private inventoryDue = false;
  private sent = "";
  private n = 0;
  private wake: (() => void) | undefined;
  private pending = false;

  constructor(options: ReporterOptions) {
    this.options = options;
  }

  /** Something may have changed. */
  kick(): void {
    this.pending = true;
    this.wake?.();
  }

  /** Reads it anew, and tells it. */
  async refreshInventory(): Promise<void> {
    this.inventory = await this.options.inventory();
    this.inventoryDue = true;
    this.kick();
  }

  /** For one connection, until its signal aborts: tells everything once, with the addresses of now, then each change. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, send } = this.options;
    this.sent = "";
    signal.addEventListener("abort", () => this.wake?.(), { once: true });
    await this.refreshInventory();
    while (!signal.aborted) {
      if (!this.pending) await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
      if (signal.aborted) return;
      this.pending = false;
      const content = this.content();
      const key = JSON.stringify(content);
      if (key === this.sent && !this.inventoryDue) continue;
      try {
        const withInventory = this.inventoryDue;
        this.inventoryDue = false;
        await send(this.message(content, withInventory));
        this.sent = key;
      } catch (error) {
        this.inventoryDue = true;
        log.debug(`the report was not sent: ${messageOf(error)}`);
        this.pending = true;
      }
      await clock.sleep(COALESCE_MS, signal).catch(() => undefined);
    }
  }

  private content(): Pick<Reported, "desiredRevision" | "apps" | "agent" | "rejectedMessages" | "lostEvents"> {
    const { apps, agent, desiredRevision, rejectedMessages, lostEvents } = this.options;
    const counts = { rejectedMessages: rejectedMessages(), lostEvents: lostEvents() };
    return { desiredRevision: desiredRevision(), apps: apps(), agent: agent(), ...counts };
  }

  private message(content: ReturnType<Reporter["content"]>, withInventory: boolean): Reported {
    const { clock } = this.options;
    // The uptime as number: grows over restarts of the agent without a write to the disk.
    this.n = Math.max(this.n + 1, clock.uptimeMs());
    const head = { bootId: clock.bootId(), n: this.n, at: clock.wall() };
    const inventory = withInventory && this.inventory !== undefined ? { inventory: this.inventory } : {};
    return fit({ ...head, ...content, ...inventory });
  }
}

/** Makes a report fit into one message: first without warnings, then with short reasons. Pure. */
export function fit(message: Reported): Reported {
  if (size(message) <= MAX_PAYLOAD_BYTES) return message;
  const bare = { ...message, apps: message.apps.map(({ warnings: _warnings, ...app }) => app) };
  if (size(bare) <= MAX_PAYLOAD_BYTES) return bare;
  const { inventory: _inventory, ...rest } = bare;
  return { ...rest, apps: bare.apps.map((app) => ({ ...app, reason: app.reason.slice(0, 80) })) };
}

function size(message: Reported): number {
  return Buffer.byteLength(JSON.stringify(message));
}
