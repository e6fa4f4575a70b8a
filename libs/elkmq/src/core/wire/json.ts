import { inspect } from 'node:util';

/** `JSON.stringify` with its real type: it answers `undefined` for what JSON cannot say, such as a function. */
export const toJson: (value: unknown) => string | undefined = JSON.stringify;

/** Any value as text: itself, its JSON where there is one, or as Node's console shows it. Never throws. */
export function asText(value: unknown): string {
  try {
    if (typeof value === 'string') return value;
    return (typeof value === 'object' ? toJson(value) : undefined) ?? String(value);
  } catch {
    // Circular, with a BigInt in it, or with a member that throws.
  }
  try {
    return inspect(value, { customInspect: false, depth: 3, breakLength: Infinity });
  } catch {
    return `${typeof value} that cannot be read`;
  }
}
