/** `JSON.stringify` with its real type: it answers `undefined` for what JSON cannot say, such as a function. */
export const toJson: (value: unknown) => string | undefined = JSON.stringify;

/** Any value as text: itself, or its JSON where there is one. */
export function asText(value: unknown): string {
  try {
    return typeof value === 'string' ? value : (toJson(value) ?? String(value));
  } catch {
    return Object.prototype.toString.call(value);
  }
}
