/** An idle agent makes too little garbage for V8 to give memory back by itself: done after the start, and then rarely. */
const FIRST_MS = 10_000;
const PERIOD_MS = 300_000;
/** What a heartbeat or a ping has used is not used again before the next: released soon after. It costs a millisecond or less. */
const RELEASE_MS = 5_000;

/**
 * `release` gives back what is no object of V8's. Collecting needs --expose-gc; without, only the rest is done. Gives the way to end
 * it.
 */
export function keepSmall(release: () => void): () => void {
  const collect = (): void => {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    release();
  };
  const first = setTimeout(collect, FIRST_MS).unref();
  const timers = [setInterval(collect, PERIOD_MS).unref(), setInterval(release, RELEASE_MS).unref()];
  return () => {
    clearTimeout(first);
    for (const timer of timers) clearInterval(timer);
  };
}
