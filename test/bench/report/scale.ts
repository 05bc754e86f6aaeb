/** Axes: round numbers, and from values to coordinates. */

/** The smallest of 1, 2, 5 times a power of ten that is not below `value`. */
export function niceStep(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((one) => one * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}

export interface Axis {
  /** Where the axis ends: the last tick. */
  readonly max: number;
  readonly ticks: readonly number[];
}

/** From 0 to at least `largest`, with about `count` ticks. */
export function axis(largest: number, count = 5): Axis {
  const step = niceStep(largest / count);
  const steps = Math.max(1, Math.ceil(largest / step - 1e-9));
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return { max: ticks.at(-1) ?? step, ticks };
}
