import { InvalidOptionError } from './errors.js';
import { fieldOf } from './fields.js';
import { formatValue } from './options.js';

/** The longest ordering key, in bytes of UTF-8. */
const MAX_BYTES = 256;
/** The field of an entry. A client writes it first of all further fields. */
const FIELD = 'ordering_key';

/**
 * Checks an ordering key.
 * @throws {InvalidOptionError} when it is not 1 to 256 bytes of well-formed Unicode
 */
export function parseOrderingKey(key: unknown): string {
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : 0;
  if (typeof key === 'string' && bytes >= 1 && bytes <= MAX_BYTES && key.isWellFormed()) return key;
  const size = bytes > MAX_BYTES ? ` of ${String(bytes)} bytes` : '';
  throw new InvalidOptionError(
    `orderingKey must be a string of 1 to ${String(MAX_BYTES)} bytes of well-formed Unicode, got ${formatValue(key)}${size}`,
  );
}

/** The further fields of an entry, with the ordering key if there is one. */
export function withOrderingKey(
  orderingKey: string | undefined,
  fields: readonly string[],
): readonly string[] {
  return orderingKey === undefined ? fields : [FIELD, orderingKey, ...fields];
}

/**
 * The ordering key of an entry, also of one that is no message.
 * @param fields name and value in turn
 */
export function orderingKeyOf(fields: readonly string[]): string | undefined {
  return fieldOf(fields, FIELD);
}

/** Whether a client sends these further fields with an ordering key. */
export function isKeyed(fields: readonly string[]): boolean {
  return fields[0] === FIELD;
}
