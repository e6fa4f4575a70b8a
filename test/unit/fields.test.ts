import { expect, it } from 'vitest';
import { fieldOf, pairsOf } from '../../libs/elkmq/src/model/fields.js';

it('a field is looked up by its name, and never by a value that looks like a name', () => {
  const fields = ['event', 'origin', 'origin', '1-0'];
  expect(fieldOf(fields, 'origin')).toBe('1-0');
  expect(fieldOf(fields, 'listed')).toBeUndefined();
});

it('pairs leave out an element without a second one', () => {
  expect(pairsOf(['a', '1', 'b', '2', 'c'])).toEqual([
    ['a', '1'],
    ['b', '2'],
  ]);
});
