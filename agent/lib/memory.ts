/** An idle agent makes too little garbage for V8 to give memory back by itself: done after the start, and then rarely. */
const FIRST_MS = 10_000;
const PERIOD_MS = 300_000;

/** Needs --expose-gc; does nothing without. Gives the way to end it. */
export function keepSmall(): () => void {
  const collect = (): void => void globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const first = setTimeout(collect, FIRST_MS).unref();
  const timer = setInterval(collect, PERIOD_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
