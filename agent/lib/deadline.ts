/** An operation with an end. */
import type { Clock } from "./clock.ts";
import { LightvError } from "./errors.ts";

/** The operation's result, or LV_TIMEOUT; its signal aborts at the deadline, and with `signal`. */
export async function within<T>(
  clock: Pick<Clock, "sleep">,
  timeoutMs: number,
  what: string,
  signal: AbortSignal,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const own = new AbortController();
  const over = clock.sleep(timeoutMs, done.signal).then(() => {
    const error = new LightvError("LV_TIMEOUT", `${what} took longer than ${Math.round(timeoutMs / 1000)} s`, {
      hint: "it is tried again; operation-timeout sets the limit",
    });
    own.abort(error);
    throw error;
  });
  over.catch(() => undefined);
  try {
    return await Promise.race([operation(AbortSignal.any([signal, own.signal])), over]);
  } finally {
    done.abort(new Error("done"));
  }
}
