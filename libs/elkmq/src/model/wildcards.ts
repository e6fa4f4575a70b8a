/** Whether a pattern has wildcards. Dots separate words, `*` is one word, `#` is any number of words. */
export function isWildcard(words: readonly string[]): boolean {
  return words.includes('*') || words.includes('#');
}

/**
 * Whether a pattern with wildcards matches an action. It takes one pass over the words for any pattern,
 * because an action comes from outside and may be long.
 */
export function matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
  let places = placesFrom(pattern, 0);
  for (const word of words) {
    const next = new Set<number>();
    for (const place of places) {
      const expected = pattern[place];
      const follows = expected === '#' ? place : place + 1;
      if (expected !== '#' && expected !== '*' && expected !== word) continue;
      for (const later of placesFrom(pattern, follows)) next.add(later);
    }
    places = [...next];
  }
  return places.includes(pattern.length);
}

/** Returns `place` and the places after it that need no further word, because a `#` may stand for nothing. */
function placesFrom(pattern: readonly string[], place: number): number[] {
  const places = [place];
  while (pattern[place] === '#') places.push(++place);
  return places;
}
