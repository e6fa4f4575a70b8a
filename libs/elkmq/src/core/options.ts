import { InvalidOptionError } from './errors.js';

/** `value` as an error message shows it: short, on one line, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `an array of ${String(value.length)}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** A whole number of at least `min`. */
export function wholeNumber(
  name: string,
  value: unknown,
  fallback: number,
  min: number,
  max = 2 ** 31 - 1,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidOptionError(
    `${name} must be a whole number from ${String(min)} to ${String(max)}, got ${shown(value)}`,
  );
}

/** `true` or `false`. */
export function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new InvalidOptionError(`${name} must be true or false, got ${shown(value)}`);
}

/** What a timer can wait, ms. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A duration in milliseconds. */
export function milliseconds(
  name: string,
  value: unknown,
  fallback: number,
  max = LONGEST_TIMER,
  min = 1,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new InvalidOptionError(
    `${name} must be a number of milliseconds from ${String(min)} to ${String(max)}, got ${shown(value)}`,
  );
}

/** The name of a queue: any text, which the original uses verbatim. */
export function queueName(value: unknown): string {
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw new InvalidOptionError(`queue must be a string of well-formed Unicode, got ${shown(value)}`);
}

/** How long a message can be put off, ms: 23 days. With the longest timeout it is what a timer can wait. */
export const MAX_DELAY = 2_000_000_000;

export const DEFAULTS = {
  /** How long a worker keeps its messages when it does not renew its lease, ms: a third of the default timeout. */
  lease: 10_000,
  /** How long storing an event is tried while Redis is away, ms. */
  enqueueTimeout: 10_000,
  /** The longest payload, in bytes of UTF-8. */
  maxPayloadBytes: 16 * 1024 * 1024,
  /** How much of what is sent may wait for Redis. */
  maxBufferedBytes: 64 * 1024 * 1024,
  /** How many dead letters are kept, and for how long, ms (14 days). */
  deadLetters: { max: 10_000, maxAge: 1_209_600_000 },
} as const;
