import { InvalidOptionError } from './errors.js';
import { formatValue } from './options.js';

/**
 * Returns a copy of `headers`.
 * @param owner the name of the option, for the error
 * @throws {InvalidOptionError} unless every value is a string
 */
export function headersOf(headers: unknown, owner = 'headers'): Record<string, string> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new InvalidOptionError(`${owner} must be an object of strings, got ${formatValue(headers)}`);
  }
  if (!isPlain(headers)) {
    const name = String((headers as { constructor?: { name?: unknown } }).constructor?.name);
    throw new InvalidOptionError(`${owner} must be a plain object of strings, got an instance of ${name}`);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') {
      throw new InvalidOptionError(`header ${formatValue(name)} must be a string, got ${formatValue(value)}`);
    }
  }
  return { ...headers };
}

/** Whether it is no instance of a class: the values of a `Map` or of `Headers` are no members. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object of another realm, such as that of a test in Jest, has another Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Returns the field of an entry for `headers`, name and value in turn. @throws {InvalidOptionError} */
export function headerFields(headers: unknown): string[] {
  return headers === undefined ? [] : ['headers', JSON.stringify(headersOf(headers))];
}

/** Reads a field of an entry, an object of strings as JSON. Returns an empty object for anything else. */
export function readStrings(json: string | undefined): Record<string, string> {
  if (json === undefined) return {};
  try {
    return headersOf(JSON.parse(json));
  } catch {
    return {};
  }
}
