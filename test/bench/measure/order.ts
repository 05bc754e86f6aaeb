/** In which order contestants run: all of them in each round, so that a noisy minute hits all alike, each round in another order. */

/** Marsaglia's xorshift32: the same orders in every run of the bench. Numbers from 0 to below 1. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Fisher and Yates' shuffle, into a new array. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

/**
 * Indexes of contestants in the order of their runs. `rounds[i]` is how often contestant i runs: the slow ones may run less, spread
 * over the whole time and not only at its beginning.
 */
export function interleave(rounds: readonly number[], seed = 1): number[] {
  const random = randomNumbers(seed);
  const most = Math.max(0, ...rounds);
  const order: number[] = [];
  for (let round = 0; round < most; round++) {
    const due = rounds.flatMap((wanted, index) => (runsIn(round, wanted, most) ? [index] : []));
    order.push(...shuffled(due, random));
  }
  return order;
}

function runsIn(round: number, wanted: number, most: number): boolean {
  return Math.floor(((round + 1) * wanted) / most) > Math.floor((round * wanted) / most);
}
