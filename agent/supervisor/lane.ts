/** One app's operations, one after the other: all of them to be cut off when something newer is wanted. */
import { LightvError } from "#agent/lib/errors.ts";

export class Lane {
  private readonly onDefect: (error: unknown) => void;
  private tail: Promise<void> = Promise.resolve();
  /** One for each body that runs or waits. */
  private readonly controllers = new Set<AbortController>();

  /** `onDefect` gets what a body throws: bodies deal with the errors of their steps, so it is a full disk or a defect. */
  constructor(onDefect: (error: unknown) => void) {
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
}
