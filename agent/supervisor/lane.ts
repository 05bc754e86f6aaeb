/** One app's operations, one after the other: each with a deadline, all of them to be cut off when something newer is wanted. */
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError } from "#agent/lib/errors.ts";

export class Lane {
  private readonly clock: Clock;
  private readonly onDefect: (error: unknown) => void;
  private tail: Promise<void> = Promise.resolve();
  /** One for each body that runs or waits. */
  private readonly controllers = new Set<AbortController>();

  /** `onDefect` gets what a body throws: bodies deal with the errors of their steps, so it is a full disk or a defect. */
  constructor(clock: Clock, onDefect: (error: unknown) => void) {
    this.clock = clock;
    this.onDefect = onDefect;
  }

  get busy(): boolean {
    return this.controllers.size > 0;
  }

  /** Runs `body` when what is under way has ended. Never rejects. */
  run(body: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    this.controllers.add(controller);
    this.tail = this.tail.then(async () => {
      try {
        await body(controller.signal);
      } catch (error) {
        this.onDefect(error);
      } finally {
        this.controllers.delete(controller);
      }
    });
    return this.tail;
  }

  /** What runs now shall end at its next step, and what waits behind it shall not begin. */
  preempt(reason: string): void {
    for (const controller of this.controllers) controller.abort(new LightvError("LV_STALE_REVISION", reason));
  }

  idle(): Promise<void> {
    return this.tail;
  }

  /** The operation's result, or LV_TIMEOUT; its signal aborts at the deadline, and when the lane is pre-empted. */
  async within<T>(timeoutMs: number, what: string, signal: AbortSignal, operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const over = this.clock.sleep(timeoutMs, deadline.signal).then(() => {
      throw new LightvError("LV_TIMEOUT", `${what} took longer than ${Math.round(timeoutMs / 1000)} s`, {
        hint: "it is tried again; operation-timeout sets the limit",
      });
    });
    const own = new AbortController();
    over.catch((error: unknown) => own.abort(error));
    try {
      return await Promise.race([operation(AbortSignal.any([signal, own.signal])), over]);
    } finally {
      deadline.abort(new Error("done"));
    }
  }
}
