import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globOf } from '../../libs/elkmq/src/admin/glob.js';

/** A simple matcher: a star stands for nothing, or takes one character and stays. */
function matches(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (!pattern.startsWith('*')) return pattern[0] === text[0] && matches(pattern.slice(1), text.slice(1));
  return matches(pattern.slice(1), text) || (text !== '' && matches(pattern, text.slice(1)));
}

describe('a pattern of a search', () => {
  it('matches what a simple matcher matches', () => {
    const letters = (characters: string[], maxLength: number) =>
      fc.string({ unit: fc.constantFrom(...characters), maxLength });
    fc.assert(
      fc.property(letters(['a', 'b', '*'], 8), letters(['a', 'b'], 8), (pattern, text) => {
        expect(globOf(pattern)(text)).toBe(matches(pattern, text));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['order.*', 'order.placed', true],
    ['order.*', 'orderXplaced', false],
    ['a*a', 'a', false],
    ['*', 'two\nlines', true],
    ['', '', true],
    ['', 'a', false],
    ['*(+)*', 'a(+)b', true],
  ])('%j and %j: %s', (pattern, text, expected) => {
    expect(globOf(pattern)(text)).toBe(expected);
  });

  it('with 40 stars takes no longer than one with few', () => {
    // A matcher that goes back would try more ways than there are atoms in the world, and never end.
    const text = 'a'.repeat(10_000);
    expect(globOf(`${'*a'.repeat(40)}*b`)(text)).toBe(false);
    expect(globOf(`${'*a'.repeat(40)}*b*`)(text)).toBe(false);
    expect(globOf(`${'*a'.repeat(40)}*`)(text)).toBe(true);
  });
});
