/** Exponential back-off. Full jitter spreads ten thousand devices that lost the same broker; equal jitter keeps a floor for restarts. */

export interface BackoffRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** A number in [0, 1), such as Math.random. */
export type Random = () => number;

/** The delay's upper bound before attempt `attempt` (0: the first retry): minMs doubled each time, at most maxMs. */
export function ceilingMs(attempt: number, range: BackoffRange): number {
  // 2 ** 40 times any delay is over any bound; more would overflow to Infinity, which is harmless but ugly.
  return Math.min(range.maxMs, range.minMs * 2 ** Math.min(attempt, 40));
}

/** Anything from 0 to the ceiling, so that many clients spread evenly. */
export function fullJitterMs(attempt: number, range: BackoffRange, random: Random): number {
  return Math.floor(random() * ceilingMs(attempt, range));
}

/** From half the ceiling to the ceiling: never at once, so that what fails at once can't spin. */
export function equalJitterMs(attempt: number, range: BackoffRange, random: Random): number {
  const ceiling = ceilingMs(attempt, range);
  return Math.floor(ceiling / 2 + random() * (ceiling / 2));
}
