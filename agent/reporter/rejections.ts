/** A refused message is an event, but a flood of them is one event a second. */
import type { Clock } from "#agent/lib/clock.ts";

const PERIOD_MS = 1000;

/** `total`: refused since the start, where that is counted. */
export type Reject = (channel: string, reason: string, total: number | undefined) => void;

export function limitedRejection(clock: Clock, add: (data: Record<string, unknown>) => void): Reject {
  let last = Number.NEGATIVE_INFINITY;
  return (channel, reason, total) => {
    if (clock.uptimeMs() - last < PERIOD_MS) return;
    last = clock.uptimeMs();
    add({ channel, reason, ...(total === undefined ? {} : { total }) });
  };
}
