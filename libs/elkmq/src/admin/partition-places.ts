import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';

/** The place of a partition of which everything was read. */
export const END = '.';

/**
 * Reads the places in all partitions at which a page begins, `1700000000000-0|.|`. There is a bar between two
 * places. An empty place is at the beginning, and a dot at the end.
 * @param name of the option
 * @param value the `next` of the page before; `undefined` for the first page
 * @throws {InvalidOptionError} when it is not that of a queue with this number of partitions
 */
export function parsePlaces(name: string, value: unknown, partitions: number): string[] {
  if (value === undefined) return Array.from({ length: partitions }, () => '');
  const places = typeof value === 'string' ? value.split('|') : [];
  if (places.length === partitions) return places;
  throw new InvalidOptionError(`${name} must be \`next\` of a page, got ${formatValue(value)}`);
}

/** The `next` of a page that ends at these places; `undefined` when everything was read. */
export function formatPlaces(places: readonly string[]): string | undefined {
  return places.every((place) => place === END) ? undefined : places.join('|');
}
