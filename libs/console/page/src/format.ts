const UNITS: readonly [name: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** A time to the second: `2027-01-31 03:00:00 UTC`. */
export function formatSecond(time: number): string {
  return formatExactTime(time).replace(/T(.*)\.\d{3}Z$/, ' $1 UTC');
}

/** A time to the millisecond, in UTC: `2027-01-31T03:00:00.000Z`. */
export function formatExactTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}

/** A duration in its largest unit: `3 min`. */
export function formatDuration(ms: number): string {
  for (const [name, size] of UNITS) if (ms >= size) return `${String(Math.floor(ms / size))} ${name}`;
  return ms > 0 ? 'below 1 s' : '0 s';
}

/** A time that may be short: `12 ms`, `1.5 s`, `3 min`. */
export function formatTime(ms: number): string {
  if (ms < 1_000) return `${ms.toFixed(ms > 0 && ms < 10 ? 1 : 0)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : formatDuration(ms);
}

export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** A count with its noun: `1 message`, `2 messages`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * Shows what cannot be seen, or turns the direction of what follows, as an escape. Line breaks and tabs stay.
 */
export function visibleText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}}`,
  );
}
