import { InvalidOptionError } from './errors.js';
import { MAX_DELAY_MS, parseMembers, parseMilliseconds, formatValue } from './options.js';

/** The pause before the next attempt. */
export interface BackoffOptions {
  /** `fixed` is the same pause before every attempt. `exponential` doubles the pause each time. */
  readonly type: 'fixed' | 'exponential';
  /** The pause before the second attempt, ms. */
  readonly delay: number;
  /** The longest pause, ms. Default 3,600,000 (an hour), or `delay` where that is longer. */
  readonly max?: number;
  /**
   * The part of the pause that is left to chance, 0 to 1. With 0.25 a pause is between three quarters of its
   * length and all of it. Chance keeps messages that failed together from coming back together. Default 0.25.
   */
  readonly jitter?: number;
}

/** The pause after an attempt, ms. The first attempt is 1. */
export type Backoff = (attempt: number) => number;

const HOUR_MS = 3_600_000;
const DEFAULT: BackoffOptions = { type: 'exponential', delay: 1_000 };
const MEMBERS = ['type', 'delay', 'max', 'jitter'] as const;

/**
 * Checks the option, and makes the function of the pauses.
 * @param given a number means a pause of always as many milliseconds
 * @throws {InvalidOptionError}
 */
export function backoff(name: string, given: unknown): Backoff {
  if (typeof given === 'number') {
    const delay = parseMilliseconds(name, given, 0, MAX_DELAY_MS, 0);
    return () => delay;
  }
  const members = parseMembers(name, given ?? DEFAULT, MEMBERS, 'a number of milliseconds');
  const { type, delay, max, jitter = 0.25 } = members;
  if (type !== 'fixed' && type !== 'exponential') {
    throw new InvalidOptionError(`${name}.type must be 'fixed' or 'exponential', got ${formatValue(type)}`);
  }
  if (delay === undefined) {
    throw new InvalidOptionError(`${name}.delay must be given, as a number of milliseconds`);
  }
  const first = parseMilliseconds(`${name}.delay`, delay, 0, MAX_DELAY_MS, 0);
  const longest = parseMilliseconds(`${name}.max`, max, Math.max(HOUR_MS, first), MAX_DELAY_MS, 0);
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    throw new InvalidOptionError(`${name}.jitter must be a number from 0 to 1, got ${formatValue(jitter)}`);
  }
  return (attempt) => {
    const full = Math.min(type === 'fixed' ? first : first * 2 ** (attempt - 1), longest);
    return full * (1 - jitter * Math.random());
  };
}
