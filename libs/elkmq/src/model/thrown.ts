import { asText } from './json.js';

/** The readable parts of a thrown value. Every part is well-formed text, whatever was thrown. */
export interface DescribedError {
  /** The name of its class, or its type if it is no error. */
  readonly name: string;
  /** The message of the error, or the value as text. */
  readonly message: string;
  /** The place where it was thrown. */
  readonly stack?: string;
}

/** A value that was thrown. It stands in an object, because `undefined` can be thrown as well. */
export interface Failure {
  readonly error: unknown;
}

/** A longer name, message or stack is cut, so that a dead letter stays small. */
const LONGEST_TEXT_CHARS = 16_384;

/**
 * Describes a thrown value. Anything can be thrown. Each part of it can be missing, of another type or
 * circular, or throw when it is read. This function never throws.
 */
export function describeThrown(thrown: unknown): DescribedError {
  const stack = isError(thrown) ? readMember(thrown, 'stack') : undefined;
  return {
    name: nameOf(thrown),
    message: messageOf(thrown),
    ...(typeof stack === 'string' && { stack: clean(stack) }),
  };
}

/** The class of a thrown error, or the type of a value that is no error. Never throws. */
export function nameOf(thrown: unknown): string {
  if (!isError(thrown)) return typeof thrown;
  const name = readMember(thrown, 'name') ?? '';
  return name === '' || name === 'Error' ? nameOfClass(thrown) : clean(asText(name));
}

/** Most classes of errors do not set `name`. They have that of `Error`. */
function nameOfClass(error: unknown): string {
  const name = readMember(readMember(error, 'constructor'), 'name');
  return typeof name === 'string' && name !== '' ? clean(name) : 'Error';
}

/** The message of a thrown error, or another thrown value as text. Never throws. */
export function messageOf(thrown: unknown): string {
  return clean(asText(isError(thrown) ? (readMember(thrown, 'message') ?? '') : thrown));
}

/** A member of any value; `undefined` when it cannot be read. Never throws. */
export function readMember(value: unknown, name: string): unknown {
  try {
    return (value as Record<string, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/**
 * Whether a value is an error. Never throws. An error of another realm is no instance of this realm's
 * `Error`. Such errors come from `vm`, and from a test in Jest.
 */
export function isError(value: unknown): boolean {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
  } catch {
    return false;
  }
}

/** Makes text that Redis can read in JSON. Redis refuses half a surrogate pair. */
function clean(text: string): string {
  return (text.length > LONGEST_TEXT_CHARS ? `${text.slice(0, LONGEST_TEXT_CHARS)}…` : text).toWellFormed();
}
