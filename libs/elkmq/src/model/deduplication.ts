import { InvalidOptionError } from './errors.js';
import { formatValue, MAX_DELAY_MS, parseMilliseconds } from './options.js';

/**
 * Marks a message as the same as another one: within `window` ms only the first message with this key is
 * stored.
 */
export interface Deduplication {
  readonly key: string;
  readonly window: number;
}

/**
 * Checks a deduplication key and its window.
 * @throws {InvalidOptionError}
 */
export function parseDeduplication(key: unknown, window: unknown): Deduplication {
  if (typeof key !== 'string' || key === '' || key.length > 256 || !key.isWellFormed()) {
    throw new InvalidOptionError(
      `key must be a string of 1 to 256 characters of well-formed Unicode, got ${formatValue(key)}`,
    );
  }
  return { key, window: Math.ceil(parseMilliseconds('window', window, 60_000, MAX_DELAY_MS)) };
}
