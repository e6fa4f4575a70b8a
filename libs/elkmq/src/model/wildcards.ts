/** Whether a pattern has wildcards. Dots separate words, `*` is one word, `#` is any number of words. */
export function isWildcard(words: readonly string[]): boolean {
  return words.includes('*') || words.includes('#');
}

/**
 * Whether a pattern with wildcards matches an action. It takes one pass over the words for any pattern,
 * because an action comes from outside and may be long.
 */
export function matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
  let positions = positionsFrom(pattern, 0);
  for (const word of words) {
    const next = new Set<number>();
    for (const position of positions) {
      const expected = pattern[position];
      const follows = expected === '#' ? position : position + 1;
      if (expected !== '#' && expected !== '*' && expected !== word) continue;
      for (const later of positionsFrom(pattern, follows)) next.add(later);
    }
    positions = [...next];
  }
  return positions.includes(pattern.length);
}

/** Returns `position` and those after it that need no further word, because a `#` may stand for nothing. */
function positionsFrom(pattern: readonly string[], position: number): number[] {
  const positions = [position];
  while (pattern[position] === '#') positions.push(++position);
  return positions;
}
