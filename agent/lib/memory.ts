/** An idle agent makes too little garbage for V8 to give memory back by itself: done after the start, and then rarely. */
const FIRST_MS = 10_000;
const PERIOD_MS = 300_000;
/** What a heartbeat or a ping has used is not used again before the next: released soon after. It costs a millisecond or less. */
const RELEASE_MS = 5_000;
/** Garbage of a burst of work is not kept for minutes either, once the burst is over: a collection stops all else. */
const GROWN_BYTES = 256 << 10;
const QUIET_BYTES = 64 << 10;
const LEAST_MS = 15_000;

/** Whether to collect, `ageMs` after the last time, with `grown` bytes more in use than were left then, `lately` of them since the last look. Pure. */
export function isDue(ageMs: number, grown: number, lately: number): boolean {
  return ageMs > PERIOD_MS || (ageMs > LEAST_MS && grown > GROWN_BYTES && lately < QUIET_BYTES);
}

/**
 * `release` gives back what is no object of V8's. Collecting needs --expose-gc; without, only the rest is done. Gives the way to end
 * it.
 */
export function keepSmall(release: () => void): () => void {
  let size = Number.POSITIVE_INFINITY;
  let at = performance.now();
  const collect = (): void => {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    size = process.memoryUsage().heapUsed;
    at = performance.now();
  };
  let seen = 0;
  const look = (): void => {
    const used = process.memoryUsage().heapUsed;
    if (isDue(performance.now() - at, used - size, used - seen)) collect();
    seen = used;
    release();
  };
  const first = setTimeout(collect, FIRST_MS).unref();
  const timer = setInterval(look, RELEASE_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
