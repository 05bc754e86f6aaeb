/** Sends the outbox's events in order, one batch at a time, and again until the controller says that it has committed them. */
import type { Clock } from "#agent/lib/clock.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";

export interface EventSource {
  next(after: number, maxBytes: number, maxCount: number): DeviceEvent[];
  acknowledge(seq: number): void;
}

export interface EventPumpOptions {
  readonly source: EventSource;
  readonly send: (events: DeviceEvent[]) => Promise<void>;
  readonly clock: Clock;
}

/** Below the payload bound by what JSON and the other levels add. */
const BATCH_BYTES = 56 * 1024;
const BATCH_EVENTS = 256;
/** Things happen in flocks: a moment's patience makes one message of them. */
const GATHER_MS = 20;
/** The controller tells where it stands when we connect; one that does not is not waited for longer than this. */
const GREETING_MS = 3_000;
const RESEND_MIN_MS = 10_000;
const RESEND_MAX_MS = 120_000;

export class EventPump {
  private readonly options: EventPumpOptions;
  private wake: (() => void) | undefined;
  private greeted = false;
  private pending = false;

  constructor(options: EventPumpOptions) {
    this.options = options;
  }

  /** There is something new to send. */
  kick(): void {
    this.pending = true;
    this.wake?.();
  }

  acknowledge(seq: number): void {
    this.greeted = true;
    this.options.source.acknowledge(seq);
    this.kick();
  }

  /** For one connection, until its signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, send } = this.options;
    // Not at the beginning: the greeting may have come before we are told that the connection is up.
    const forget = (): void => {
      this.greeted = false;
    };
    signal.addEventListener("abort", forget, { once: true });
    await this.waitUntil(() => this.greeted, GREETING_MS, signal);
    let resendMs = RESEND_MIN_MS;
    while (!signal.aborted) {
      this.pending = false;
      const events = source.next(0, BATCH_BYTES, BATCH_EVENTS);
      const last = events.at(-1);
      if (last === undefined) {
        await this.waitUntil(() => this.pending, undefined, signal);
        await this.options.clock.sleep(GATHER_MS, signal).catch(() => undefined);
        continue;
      }
      try {
        await send(events);
      } catch {
        // The connection has ended, which the signal will say; or the broker refused, and time may help.
        await this.options.clock.sleep(1000, signal).catch(() => undefined);
        continue;
      }
      const acked = await this.waitUntil(() => (source.next(0, 1, 1)[0]?.seq ?? Number.POSITIVE_INFINITY) > last.seq, resendMs, signal);
      resendMs = acked ? RESEND_MIN_MS : Math.min(RESEND_MAX_MS, resendMs * 2);
    }
  }

  /** False when the time was over first; true also when the signal has aborted. */
  private async waitUntil(done: () => boolean, timeoutMs: number | undefined, signal: AbortSignal): Promise<boolean> {
    let late = false;
    const timer = new AbortController();
    if (timeoutMs !== undefined)
      void this.options.clock.sleep(timeoutMs, timer.signal).then(
        () => {
          late = true;
          this.wake?.();
        },
        () => undefined,
      );
    const onAbort = (): void => this.wake?.();
    signal.addEventListener("abort", onAbort, { once: true });
    while (!late && !signal.aborted && !done()) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.wake = undefined;
    signal.removeEventListener("abort", onAbort);
    timer.abort(new Error("done"));
    return !late;
  }
}
