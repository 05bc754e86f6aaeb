/** A clock that stands still until a test moves it, and wakes sleepers in order. */
import type { Clock } from "#agent/lib/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  private now = 1_000_000;
  private boot = "boot-1";
  private readonly sleepers = new Set<Sleeper>();

  wall(): string {
    return new Date(this.wallMs()).toISOString();
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.now;
  }

  uptimeMs(): number {
    return this.now;
  }

  bootId(): string {
    return this.boot;
  }

  reboot(): void {
    this.boot = `boot-${Number(this.boot.slice(5)) + 1}`;
    this.now = 0;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = { at: this.now + ms, wake: resolve };
      this.sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        if (this.sleepers.delete(sleeper)) reject(signal.reason);
      });
    });
  }

  /** Lets time pass, with a breath for everything that wakes, sleeper by sleeper. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const next = [...this.sleepers].filter((sleeper) => sleeper.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.sleepers.delete(next);
      next.wake();
      await settle();
    }
    this.now = end;
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}
