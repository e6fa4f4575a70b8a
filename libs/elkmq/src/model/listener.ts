import { InvalidOptionError } from './errors.js';
import { formatValue } from './options.js';
import { messageOf } from './thrown.js';

/**
 * Calls a function of the application that must not fail what goes on around it: a listener, a telemetry, an
 * audit. The type of each of them lets it be `async`. Nobody waits for the promise, but its rejection would
 * end the process.
 * @param failed gets what the function throws, or the reason of the rejection
 * @returns the result, or `undefined` when the function throws
 */
export function callListener<T>(call: () => T, failed: (error: unknown) => void): T | undefined {
  try {
    const result = call();
    if (isThenable(result)) Promise.resolve(result).catch(failed);
    return result;
  } catch (error) {
    failed(error);
    return undefined;
  }
}

/**
 * Checks a listener that an application gives as an option.
 * @returns the listener. What it throws, or rejects with, becomes a warning of the process, and changes
 * nothing else
 * @throws {InvalidOptionError} when it is no function
 */
export function parseListener<T>(option: string, given: unknown): ((value: T) => void) | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'function') {
    throw new InvalidOptionError(`${option} must be a function, got ${formatValue(given)}`);
  }
  const listener = given as (value: T) => unknown;
  const warn = (error: unknown): void => {
    process.emitWarning(`The listener ${option} has failed: ${messageOf(error)}`);
  };
  return (value) => {
    callListener(() => listener(value), warn);
  };
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
