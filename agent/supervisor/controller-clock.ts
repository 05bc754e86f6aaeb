/** The controller's time as we last heard it, carried on by the monotonic clock. The device's own wall clock is never asked: it lies. */
import type { Clock } from "#agent/lib/clock.ts";

export class ControllerClock {
  private readonly clock: Clock;
  private heard: { readonly theirMs: number; readonly ourMs: number } | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The controller has just said what time it is (RFC 3339). */
  hear(now: string): void {
    const theirMs = Date.parse(now);
    if (Number.isFinite(theirMs)) this.heard = { theirMs, ourMs: this.clock.uptimeMs() };
  }

  /** Whether a time of the controller is over. As long as nothing was heard, `floor` (when it wrote the message) is the latest time known. */
  isPast(time: string, floor: string): boolean {
    const now = this.heard === undefined ? Date.parse(floor) : this.heard.theirMs + this.clock.uptimeMs() - this.heard.ourMs;
    return now > Date.parse(time);
  }
}
