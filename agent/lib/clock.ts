/** Time, injected everywhere so that tests can hold it still. Wall time is for people; everything else uses the monotonic clock. */
import { readFileSync } from "node:fs";

export interface Clock {
  /** RFC 3339, UTC, with milliseconds. May jump. */
  wall(): string;
  /** Milliseconds since the epoch. May jump. */
  wallMs(): number;
  /** Whole milliseconds since the machine's boot (CLOCK_MONOTONIC): never goes back, goes on when this process restarts. */
  uptimeMs(): number;
  /** Changes with each boot of the machine (random(4)). */
  bootId(): string;
  /** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout takes at most 2^31-1 ms, and treats more as 1. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Waits on the real clock. Rejects with the signal's reason when that aborts first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.min(Math.max(0, ms), LONGEST_TIMER_MS),
    );
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The machine's own clocks. */
export function systemClock(): Clock {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return {
    wall: () => new Date().toISOString(),
    wallMs: () => Date.now(),
    uptimeMs: () => Math.floor(Number(process.hrtime.bigint() / 1_000_000n)),
    bootId: () => bootId,
    sleep,
  };
}
