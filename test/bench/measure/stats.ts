/** Order statistics of samples. */
export interface Summary {
  readonly runs: number;
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
}

/** The value below which `share` (0 to 1) of the samples lie: nearest rank. NaN of none. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

export function summarize(samples: readonly number[]): Summary {
  return {
    runs: samples.length,
    min: quantile(samples, 0),
    median: median(samples),
    p90: quantile(samples, 0.9),
    p99: quantile(samples, 0.99),
  };
}
