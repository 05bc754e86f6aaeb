/** systemd's watchdog: half the time that it allows (sd_watchdog_enabled(3)). */
import type { Native } from "./native.ts";

/** `usec`: WATCHDOG_USEC; absent or 0: nobody watches. Gives the way to end it. */
export function keepWatchdog(native: Native, usec: string | undefined): () => void {
  const allowed = Number(usec ?? 0);
  if (!(allowed > 0)) return () => undefined;
  const timer = setInterval(() => native.sdNotify("WATCHDOG=1"), allowed / 2000);
  return () => clearInterval(timer);
}
