import { InvalidOptionError } from './errors.js';
import { formatValue } from './options.js';
import { messageOf } from './thrown.js';

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
    try {
      Promise.resolve(listener(value)).catch(warn);
    } catch (error) {
      warn(error);
    }
  };
}
