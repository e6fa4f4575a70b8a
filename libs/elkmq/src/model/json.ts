import { inspect } from 'node:util';

/**
 * `JSON.stringify` with its real type. It returns `undefined` for a value that JSON cannot hold, such as a
 * function.
 */
export const toJson: (value: unknown) => string | undefined = JSON.stringify;

/**
 * Turns any value into text: a string stays, an object becomes JSON if it can, else Node's console format.
 * Never throws.
 */
export function asText(value: unknown): string {
  try {
    if (typeof value === 'string') return value;
    return (typeof value === 'object' ? toJson(value) : undefined) ?? String(value);
  } catch {
    // The value is circular, has a BigInt in it, or has a member that throws.
  }
  try {
    return inspect(value, { customInspect: false, depth: 3, breakLength: Infinity });
  } catch {
    return `${typeof value} that cannot be read`;
  }
}
