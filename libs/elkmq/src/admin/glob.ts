/**
 * Makes a function that says whether a text matches a pattern, in which each `*` stands for any characters.
 * The parts between the stars are looked for from left to right, and each is taken where it is first. No
 * later place could match more, so the search never goes back: its time grows with the text, and not with the
 * ways to divide it among the stars.
 */
export function globOf(pattern: string): (text: string) => boolean {
  const [first = '', ...between] = pattern.split('*');
  const last = between.pop();
  if (last === undefined) return (text) => text === pattern;
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of between) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
}
