import { describeThrown } from './thrown.js';

/** The error of an attempt after which the message was tried again. */
export interface AttemptError {
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /** The time at which it ended, ms since 1970 on the clock of Redis. */
  readonly at: number;
  /** The name of the class of the error, or the type of a value that is no error. */
  readonly name: string;
  /** The message, at most 256 characters of it. */
  readonly message: string;
  /** The first lines of the stack, without the message; missing when there is none, or no room. */
  readonly stack?: string;
}

/** The field of an entry that has the errors of the attempts before. */
export const ERRORS_FIELD = 'errors';

/** The number of errors that a message carries: the latest ones. `attempt_errors.lua` has the number too. */
const MAX_ERRORS = 5;
/** The largest size of one error, in bytes of JSON. All errors of a message together stay small. */
const MAX_ERROR_BYTES = 1_024;
const MAX_NAME_CHARACTERS = 50;
const MAX_MESSAGE_CHARACTERS = 256;
const MAX_STACK_CHARACTERS = 600;
/** A message of this length fits, whatever its characters are. */
const SURE_MESSAGE_CHARACTERS = 80;

/**
 * Describes what an attempt has thrown.
 * @param at ms since 1970
 * @returns an `AttemptError` as JSON
 */
export function describeAttemptError(thrown: unknown, attempt: number, at: number): string {
  const described = describeThrown(thrown);
  const name = cut(described.name, MAX_NAME_CHARACTERS);
  const common = { attempt, at: Math.floor(at), name };
  const brief = { ...common, message: cut(described.message, MAX_MESSAGE_CHARACTERS) };
  const stack = stackLinesOf(described.stack);
  return (
    jsonThatFits(stack === undefined ? brief : { ...brief, stack }) ??
    jsonThatFits(brief) ??
    JSON.stringify({ ...common, message: cut(described.message, SURE_MESSAGE_CHARACTERS) })
  );
}

/**
 * Adds an error to those of the attempts before.
 * @param before the value of the field, if the entry has it
 * @param error an `AttemptError` as JSON
 * @returns the value of the field for the next entry
 */
export function withAttemptError(before: string | undefined, error: string): string {
  const kept = readAttemptErrors(before).slice(1 - MAX_ERRORS);
  return `[${[...kept.map((each) => JSON.stringify(each)), error].join(',')}]`;
}

/** Reads the field. It passes over what something else has written. */
export function readAttemptErrors(text: string | undefined): AttemptError[] {
  if (text === undefined || text.length > 2 * MAX_ERRORS * MAX_ERROR_BYTES) return [];
  try {
    const errors = JSON.parse(text) as unknown;
    return Array.isArray(errors) ? errors.filter(isAttemptError).slice(-MAX_ERRORS) : [];
  } catch {
    return [];
  }
}

function isAttemptError(value: unknown): value is AttemptError {
  if (typeof value !== 'object' || value === null) return false;
  const { attempt, at, name, message, stack } = value as Record<string, unknown>;
  const isText = typeof name === 'string' && typeof message === 'string';
  const hasStack = stack === undefined || typeof stack === 'string';
  return typeof attempt === 'number' && typeof at === 'number' && isText && hasStack;
}

/** The lines of a stack that name places, as many as there is room for. */
function stackLinesOf(stack: string | undefined): string | undefined {
  const start = stack?.search(/^ +at /m) ?? -1;
  if (stack === undefined || start < 0) return undefined;
  const lines = stack.slice(start, start + MAX_STACK_CHARACTERS);
  // The last line may be cut.
  const end = start + lines.length < stack.length ? lines.lastIndexOf('\n') : lines.length;
  return end > 0 ? lines.slice(0, end) : undefined;
}

function jsonThatFits(error: AttemptError): string | undefined {
  const json = JSON.stringify(error);
  return Buffer.byteLength(json) <= MAX_ERROR_BYTES ? json : undefined;
}

function cut(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters).toWellFormed()}…` : text;
}
