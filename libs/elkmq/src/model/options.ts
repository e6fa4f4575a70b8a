import { InvalidOptionError } from './errors.js';

/** Formats any value for an error message: short, and on one line. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'function') return 'a function';
  if (value instanceof Date) return `a Date, whose getTime() is ${String(value.getTime())}`;
  if (Array.isArray(value)) return `an array of ${String(value.length)}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Checks that an option is a whole number from `min` to `max`. */
export function parseInteger(
  name: string,
  value: unknown,
  fallback: number,
  min: number,
  max = 2 ** 31 - 1,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidOptionError(
    `${name} must be a whole number from ${String(min)} to ${String(max)}, got ${formatValue(value)}`,
  );
}

/** Checks the option `limit`: the largest number of messages or letters in a page. */
export function parsePageLimit(value: unknown): number {
  return parseInteger('limit', value, 100, 1, 1_000);
}

/** Checks that an option is `true` or `false`. */
export function parseBoolean(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new InvalidOptionError(`${name} must be true or false, got ${formatValue(value)}`);
}

/** The longest time that a timer can wait, ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Checks that an option is a duration in milliseconds. */
export function parseMilliseconds(
  name: string,
  value: unknown,
  fallback: number,
  max = LONGEST_TIMER_MS,
  min = 1,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new InvalidOptionError(
    `${name} must be a number of milliseconds from ${String(min)} to ${String(max)}, got ${formatValue(value)}`,
  );
}

/** @throws {InvalidOptionError} when there is an unknown option */
export function refuseUnknown(owner: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InvalidOptionError(`${owner} has no option ${formatValue(unknown)}; it has ${listOf(known)}`);
  }
}

/**
 * Checks that the options of a class or a call are an object with no others than these. A misspelt one would
 * have no effect.
 * @param owner the class or the call, for the error
 * @throws {InvalidOptionError}
 */
export function checkGivenOptions(owner: string, given: unknown, known: readonly string[]): void {
  if (!isObject(given)) {
    throw new InvalidOptionError(
      `${owner} takes an object of options (${listOf(known)}), got ${formatValue(given)}`,
    );
  }
  refuseUnknown(owner, given, known);
}

/**
 * Checks that an option is an object with no other members than these. A misspelt one would have no effect.
 * @param owner the name of the option, for the error
 * @param other what the option may be in place of an object, for the error
 * @throws {InvalidOptionError}
 */
export function parseMembers<Name extends string>(
  owner: string,
  given: unknown,
  known: readonly Name[],
  other?: string,
): Partial<Record<Name, unknown>> {
  if (!isObject(given)) {
    const accepted = `${other === undefined ? '' : `${other} or `}{ ${listOf(known)} }`;
    throw new InvalidOptionError(`${owner} must be ${accepted}, got ${formatValue(given)}`);
  }
  refuseUnknown(owner, given, known);
  return given;
}

function isObject(given: unknown): given is object {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

function listOf(names: readonly string[]): string {
  return [...names].sort().join(', ');
}

/**
 * Checks the name of a queue. It is any text; the original ElkMQ uses it verbatim.
 * @param name of the option, for the error
 * @throws {InvalidOptionError}
 */
export function parseQueueName(value: unknown, name = 'queue'): string {
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw new InvalidOptionError(`${name} must be a string of well-formed Unicode, got ${formatValue(value)}`);
}

/**
 * The longest delay of a message, ms: 23 days. A timer can wait for this delay and the longest timeout
 * together.
 */
export const MAX_DELAY_MS = 2_000_000_000;

export const DEFAULTS = {
  /**
   * The time that a worker keeps its messages without renewing its lease, ms: a third of the default timeout.
   */
  lease: 10_000,
  /** The time for which storing an event is tried while Redis is away, ms. */
  enqueueTimeout: 10_000,
  /** The longest payload, in bytes of UTF-8. */
  maxPayloadBytes: 16 * 1024 * 1024,
  /** The amount of sent messages that may wait for Redis, counted as characters of JSON. */
  maxBufferedBytes: 64 * 1024 * 1024,
  /** The number of dead letters that are kept, and the time for which they are kept, ms (14 days). */
  deadLetters: { max: 10_000, maxAge: 1_209_600_000 },
} as const;
