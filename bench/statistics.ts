/** The smallest value that at least `percent` of the values do not exceed. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('no values to take a percentile of');
  return value;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const lower = percentile(sorted, 50);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? lower;
  return (lower + upper) / 2;
}

/** The lowest and the highest value that a figure may have. */
export type Interval = readonly [low: number, high: number];

/** More values make powers of one half that a number cannot hold. */
export const MOST_VALUES = 1_000;
const CHANCE_OUTSIDE = 0.05;

/**
 * The interval that has the true median with a chance of at least 95 %, whatever the values are distributed like: from
 * the k-th lowest to the k-th highest of them, as the binomial distribution says. Fewer than six values say nothing.
 */
export function medianInterval(values: readonly number[]): Interval {
  const count = values.length;
  if (count > MOST_VALUES) throw new RangeError(`${count} values: at most ${MOST_VALUES} are accepted`);
  const sorted = values.toSorted((a, b) => a - b);
  let rank = 0;
  // The chance that exactly, and that at most, `rank` of the values lie below the median.
  let exactly = 0.5 ** count;
  let atMost = exactly;
  while (2 * atMost <= CHANCE_OUTSIDE) {
    rank++;
    exactly *= (count - rank + 1) / rank;
    atMost += exactly;
  }
  return [sorted[rank - 1] ?? -Infinity, sorted[count - rank] ?? Infinity];
}

/** How far `value` lies from `middle`: -0.2 is 20 % below. */
export function deviation(value: number, middle: number): number {
  return value / middle - 1;
}

/**
 * Compared round by round: the two had their turns one soon after the other, so that what slowed a round down for both
 * does not show. The ratio of the medians would compare a good round of one with a bad round of the other. A transport
 * that broke has fewer rounds.
 */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.flatMap((figure, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [figure / other];
  });
}

/** The median of the ratios of the rounds. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ratios(ours, theirs));
}
