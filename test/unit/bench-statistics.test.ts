import { describe, expect, test } from 'vitest';
import { Random } from '../../chaos/random.js';
import { median, medianInterval, ratio, ratios } from '../../bench/statistics.js';
import { formatInterval, verdictOf } from '../../bench/targets.js';

describe('the interval of a median', () => {
  const upTo = (count: number) => Array.from({ length: count }, (_, place) => place + 1);

  // The ranks that tables of the sign test give for 95 %.
  test.each([
    [6, 1, 6],
    [8, 1, 8],
    [9, 2, 8],
    [12, 3, 10],
    [15, 4, 12],
    [20, 6, 15],
    [30, 10, 21],
    [1000, 469, 532],
  ])('of %i values goes from rank %i to rank %i, in whatever order they come', (count, low, high) => {
    expect(medianInterval(upTo(count).reverse())).toEqual([low, high]);
  });

  test('of fewer than six values has no ends', () => {
    for (const count of [0, 1, 5]) expect(medianInterval(upTo(count))).toEqual([-Infinity, Infinity]);
  });

  test('has the true median in at least 95 of 100 samples, also of values that are far from normal', () => {
    const random = new Random(7);
    // The median of 1 / (1 - u) is 2; its mean is endless.
    const samples = Array.from({ length: 4_000 }, () =>
      medianInterval(Array.from({ length: 20 }, () => 1 / (1 - random.fraction()))),
    );
    const hits = samples.filter(([low, high]) => low <= 2 && 2 <= high).length;
    expect(hits / samples.length).toBeGreaterThan(0.95);
    expect(hits / samples.length).toBeLessThan(0.97);
  });

  test('of more values than a power of one half can hold is refused', () => {
    expect(() => medianInterval(upTo(1_001))).toThrow('1001 values: at most 1000');
  });
});

test('a ratio compares turn by turn, so a machine that slows down for both does not show', () => {
  const theirs = [100, 50, 10, 100];
  const ours = theirs.map((figure) => figure * 2);
  expect(ratios(ours, theirs)).toEqual([2, 2, 2, 2]);
  expect(ratio(ours, theirs.slice(0, 2))).toBe(2);
  expect(median(ours) / median(theirs.slice(0, 3))).not.toBe(2);
});

describe('a target', () => {
  const atLeast = { what: '', value: 1, bound: 1, is: 'at least' } as const;
  const atMost = { ...atLeast, is: 'at most' } as const;

  test.each([
    ['met', [1, 1.2], [0.8, 1]],
    ['missed', [0.8, 0.99], [1.01, 1.2]],
    ['open', [0.9, 1.1], [0.9, 1.1]],
    ['open', [-Infinity, Infinity], [-Infinity, Infinity]],
  ] as const)('is %s when its interval is %j for at least, %j for at most', (verdict, low, high) => {
    expect(verdictOf({ ...atLeast, interval: low })).toBe(verdict);
    expect(verdictOf({ ...atMost, interval: high })).toBe(verdict);
  });

  test('shows its interval, or nothing where there is none', () => {
    expect(formatInterval([0.12345, 12.345])).toBe('0.123 … 12.3');
    expect(formatInterval([1, 1])).toBe('');
    expect(formatInterval([-Infinity, Infinity])).toBe('');
  });
});
