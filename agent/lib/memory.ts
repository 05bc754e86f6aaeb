/** An idle agent makes too little garbage for V8 to give memory back by itself: done after the start, and then rarely. */
const FIRST_MS = 10_000;
const PERIOD_MS = 300_000;
/** What a heartbeat or a ping has used is not used again before the next: released soon after. It costs a millisecond or less. */
const RELEASE_MS = 5_000;
/** Garbage of a burst of work is not kept for minutes either; a collection costs some 20 ms. */
const GROWN_BYTES = 1 << 20;
const LEAST_MS = 15_000;

/** Whether to collect, `ageMs` after the last time, with so much more in use than was left then. Pure. */
export function isDue(ageMs: number, grownBytes: number): boolean {
  return ageMs > PERIOD_MS || (ageMs > LEAST_MS && grownBytes > GROWN_BYTES);
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
  const look = (): void => {
    if (isDue(performance.now() - at, process.memoryUsage().heapUsed - size)) collect();
    release();
  };
  const first = setTimeout(collect, FIRST_MS).unref();
  const timer = setInterval(look, RELEASE_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
