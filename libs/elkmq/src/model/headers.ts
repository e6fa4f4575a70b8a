import { InvalidOptionError } from './errors.js';
import { formatValue } from './options.js';

/**
 * Returns a copy of `headers`.
 * @throws {InvalidOptionError} unless every value is a string
 */
export function headersOf(headers: unknown): Record<string, string> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new InvalidOptionError(`headers must be an object of strings, got ${formatValue(headers)}`);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') {
      throw new InvalidOptionError(`header ${formatValue(name)} must be a string, got ${formatValue(value)}`);
    }
  }
  return { ...headers };
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
