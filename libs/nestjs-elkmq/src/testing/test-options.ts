import { InvalidOptionError } from 'elkmq';
import { formatValue, parseMilliseconds } from 'elkmq/internal';

/**
 * The latest first time of a clock, ms since 1970. The time in the id of an entry has 15 digits at the most,
 * so the clock can still be moved by the longest step from here.
 */
const MAX_NOW_MS = 100_000_000_000_000;
/** The longest step of a clock, ms: more than 300 years. */
const MAX_STEP_MS = 10_000_000_000_000;

/**
 * Checks the first time of a clock. Default: now.
 * @throws {InvalidOptionError}
 */
export function parseNow(value: unknown): number {
  return parseMilliseconds('now', value, Date.now(), MAX_NOW_MS, 0);
}

/**
 * Checks by how much a clock is moved.
 * @throws {InvalidOptionError}
 */
export function parseStep(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_STEP_MS) return value;
  throw new InvalidOptionError(
    `the clock must be moved by a number of milliseconds from 0 to ${String(MAX_STEP_MS)}, got ${formatValue(value)}`,
  );
}

/**
 * Checks that options which are passed on to a server or a client are an object. These check what is in it.
 * @throws {InvalidOptionError}
 */
export function checkPassedOn(name: string, given: unknown): void {
  if (given === undefined) return;
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw new InvalidOptionError(`${name} must be an object of options, got ${formatValue(given)}`);
}
