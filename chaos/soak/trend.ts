/** A figure over time. */
export interface Sample {
  readonly minute: number;
  readonly value: number;
}

export interface Trend {
  readonly mean: number;
  /** Of the fitted line, per minute. */
  readonly slope: number;
  /** Twice the standard error of the slope: what chance may have added to it or taken away. */
  readonly doubt: number;
  readonly samples: number;
}

/**
 * A line through samples, by least squares. Each life of a process has a level of its own, and all have one slope.
 * @returns `undefined` when there are too few samples
 */
export function trendOf(lives: readonly (readonly Sample[])[]): Trend | undefined {
  const used = lives.filter(({ length }) => length > 1);
  const all = used.flat();
  const freedom = all.length - used.length - 1;
  if (freedom < 2) return undefined;
  let [xx, xy, yy] = [0, 0, 0];
  for (const life of used) {
    const middle = { x: mean(life.map(({ minute }) => minute)), y: mean(life.map(({ value }) => value)) };
    for (const { minute, value } of life) {
      xx += (minute - middle.x) ** 2;
      xy += (minute - middle.x) * (value - middle.y);
      yy += (value - middle.y) ** 2;
    }
  }
  const slope = xy / xx;
  const residual = Math.max(yy - slope * xy, 0) / freedom;
  return {
    mean: mean(all.map(({ value }) => value)),
    slope,
    doubt: 2 * Math.sqrt(residual / xx),
    samples: all.length,
  };
}

/** Whether it grows by less than `bound` of its mean per minute, as far as chance lets one say. */
export function isFlat({ mean, slope, doubt }: Trend, bound: number): boolean {
  return slope - doubt < bound * mean;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
