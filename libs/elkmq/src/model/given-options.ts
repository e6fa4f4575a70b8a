import { InvalidOptionError } from './errors.js';
import { formatValue, refuseUnknown } from './options.js';

/**
 * Checks that the options of a class or a call are an object, and that each of them is known. A misspelt
 * option would have no effect.
 * @param owner the class or the call, for the error
 * @throws {InvalidOptionError}
 */
export function checkGivenOptions(owner: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const names = [...known].sort().join(', ');
    throw new InvalidOptionError(`${owner} takes an object of options (${names}), got ${formatValue(given)}`);
  }
  refuseUnknown(owner, given, known);
}
