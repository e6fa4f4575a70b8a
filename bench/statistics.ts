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

/** How far `value` lies from `middle`: -0.2 is 20 % below. */
export function deviation(value: number, middle: number): number {
  return value / middle - 1;
}

/**
 * Compared round by round: the two had their turns one soon after the other, so that what slowed a round down for both
 * does not show. The ratio of the medians would compare a good round of one with a bad round of the other. Who broke has
 * fewer rounds.
 */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  return median(
    ours.flatMap((figure, round) => {
      const other = theirs[round];
      return other === undefined ? [] : [figure / other];
    }),
  );
}
