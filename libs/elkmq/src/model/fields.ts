/**
 * The value of a field of an entry; `undefined` when it has no such field.
 * @param fields name and value in turn
 */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

/** The pairs of a list that has their first and second elements in turn. */
export function pairsOf<T>(list: readonly T[]): [T, T][] {
  const pairs: [T, T][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i] as T, list[i + 1] as T]);
  return pairs;
}
