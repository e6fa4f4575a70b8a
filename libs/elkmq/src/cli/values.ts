import { InvalidArgumentError } from 'commander';

// Commander writes the name of the option in front of the message of an `InvalidArgumentError`.

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Refuses an empty text. In a shell it is mostly a variable that is not set. */
export function parseText(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('it must not be empty');
}

/** Reads a text as `parseText` does, and adds it to those before it. */
export function collectText(text: string, before: readonly string[] = []): string[] {
  return [...before, parseText(text)];
}

/** Reads a duration such as `500ms`, `30s`, `5m`, `2h` or `1d`. Returns milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (number === undefined || unitMs === undefined)
    throw new InvalidArgumentError(
      `a duration is a number with ms, s, m, h or d, such as 30s; got ${JSON.stringify(text)}`,
    );
  return Number(number) * unitMs;
}

/** The longest time that a timer of Node.js waits, ms. It does not wait at all for a longer one. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Reads a duration for which the command waits. Returns ms. */
export function parsePause(text: string): number {
  const pauseMs = parseDuration(text);
  if (pauseMs <= LONGEST_TIMER_MS) return pauseMs;
  throw new InvalidArgumentError(
    `a duration of at most ${String(LONGEST_TIMER_MS)}ms is expected, got ${JSON.stringify(text)}`,
  );
}

/** Reads a time: a date such as `2026-01-31T12:00:00Z`, or a duration before now. Returns ms since 1970. */
export function parseTime(text: string): number {
  if (/^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/.test(text)) return Date.now() - parseDuration(text);
  const time = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError(
      `a time is a date such as 2026-01-31T12:00:00Z, or a duration before now such as 2h; got ${JSON.stringify(text)}`,
    );
  return time;
}

/** Reads a whole number from 0. */
export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`a whole number is expected, got ${JSON.stringify(text)}`);
}

/** Reads a whole number from 1. */
export function parsePositive(text: string): number {
  const number = parseCount(text);
  if (number > 0) return number;
  throw new InvalidArgumentError(`a whole number from 1 is expected, got ${JSON.stringify(text)}`);
}

/** Reads `name=value`, and adds it to those before it. */
export function collectPair(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`name=value is expected, got ${JSON.stringify(text)}`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Formats a duration in its two largest units. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${String(Math.round(milliseconds))} ms`;
  const units = Object.entries(UNITS_MS).reverse();
  const parts: string[] = [];
  let left = milliseconds;
  for (const [unit, unitMs] of units) {
    const whole = Math.floor(left / unitMs);
    left -= whole * unitMs;
    if (whole > 0 && unit !== 'ms') parts.push(`${String(whole)} ${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** Formats a time, ms since 1970. */
export function formatTime(time: number | undefined): string {
  if (time === undefined) return '-';
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
