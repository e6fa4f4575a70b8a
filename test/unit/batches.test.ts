import { expect, it } from 'vitest';
import { LARGE_CHARACTERS } from '../../libs/elkmq/src/redis/call-apart.js';
import { batchesOf } from '../../libs/elkmq/src/settling/batches.js';
import { BATCH_CHARACTERS } from '../../libs/elkmq/src/settling/settlement-batch.js';

const sizesOf = (sizes: readonly number[]) =>
  batchesOf(sizes, (size) => size).map((batch) => batch.join(' '));

it('attempts of one call are 64 at the most, in their order', () => {
  const numbers = Array.from({ length: 150 }, (_, n) => n);
  const batches = batchesOf(numbers, () => 1);
  expect(batches.map(({ length }) => length)).toEqual([64, 64, 22]);
  expect(batches.flat()).toEqual(numbers);
});

it('a large attempt has a call of its own', () => {
  expect(sizesOf([1, LARGE_CHARACTERS, 2, 3])).toEqual(['1 2 3', String(LARGE_CHARACTERS)]);
});

it('a call has no more characters than are allowed', () => {
  const size = LARGE_CHARACTERS - 1;
  const fitting = Math.floor(BATCH_CHARACTERS / size);
  const batches = batchesOf(Array<number>(fitting + 1).fill(size), (each) => each);
  expect(batches.map(({ length }) => length)).toEqual([fitting, 1]);
});

it('no attempts are no call', () => {
  expect(batchesOf([], () => 1)).toEqual([]);
});
