import { valueOf } from '../model/codec.js';
import { readEntry, type HandedOutEntry } from '../model/entry.js';
import { pairsOf } from '../model/fields.js';
import { JsonParseError } from '../model/errors.js';
import { describeThrown, type DescribedError } from '../model/thrown.js';
import type { ServiceEvent } from '../model/service-event.js';

export const DEAD_LETTER_REASONS = [
  'abandoned',
  'exhausted',
  'expired',
  'failed',
  'malformed',
  'rejected',
  'unhandled',
] as const;

/**
 * The reason why a message was not handled:
 * - `failed`: its handler threw, in the last attempt if there were several.
 * - `rejected`: its handler said so (`context.deadLetter`).
 * - `unhandled`: no handler has its pattern.
 * - `expired`: its time was over before a worker took it.
 * - `abandoned`: its worker died.
 * - `exhausted`: as many workers as `maxDeliveries` have died with it.
 * - `malformed`: it is no event.
 */
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/**
 * The first characters of the JSON of some letters: the message was given up while a handler perhaps still
 * worked on it.
 */
export const ABANDONED_LETTER = '{"reason":"abandoned"';

/** A message that was not handled, as Redis keeps it (JSON). */
export interface StoredDeadLetter {
  /** The reason why it was not handled. */
  readonly reason: DeadLetterReason;
  /** The id of the message's first entry. It identifies the message and its letter. */
  readonly origin: string;
  /** The fields of the entry, name and value in turn. The event is among them. */
  readonly fields: readonly string[];
  /** The value that its handler threw, or the reason for giving it up. */
  readonly error?: DescribedError;
  /** The number of attempts. */
  readonly attempts: number;
  /** The time at which Redis registered the message; milliseconds since 1970. */
  readonly firstAt: number;
  /** The time at which it died; milliseconds since 1970 on the clock of Redis. */
  readonly lastAt: number;
  /** The worker that had it last. */
  readonly consumer: string;
}

/** A message that was not handled. */
export interface DeadLetter extends StoredDeadLetter {
  /** The event that was not handled; `undefined` when the entry could not be read as an event. */
  readonly event: ServiceEvent | undefined;
  /** The data for the handler: the value of the event's payload if that is JSON, otherwise its text. */
  readonly payload: unknown;
  /**
   * Further fields of the entry, name and value in turn. The event is among them only when it could not be
   * read.
   */
  readonly fields: readonly string[];
}

/** The limits of a queue's dead letters. */
export interface DeadLetterCap {
  /** The largest number of letters. The newest ones are kept. */
  readonly max: number;
  /** The greatest age of a letter, ms. */
  readonly maxAge: number;
}

export function createLetter(
  { origin, fields, attempt, timestamp }: HandedOutEntry,
  reason: DeadLetterReason,
  error: unknown,
  consumer: string,
  now: number,
): StoredDeadLetter {
  return {
    // The reason comes first: see ABANDONED_LETTER.
    reason,
    origin,
    fields,
    // A handler can throw `undefined` as well.
    ...((error !== undefined || reason === 'failed') && { error: describeThrown(error) }),
    attempts: attempt,
    firstAt: timestamp,
    lastAt: Math.floor(now),
    consumer,
  };
}

/** The length to which each part of an error is cut when Redis has refused the JSON of the letter. */
const SHORT_CHARACTERS = 10_000;

/** The JSON of a letter without the fields of its entry and with a shorter error. */
export function shortJsonOf({ error, ...letter }: StoredDeadLetter): string {
  const short = error && {
    name: error.name.slice(0, SHORT_CHARACTERS),
    message: error.message.slice(0, SHORT_CHARACTERS),
    stack: error.stack?.slice(0, SHORT_CHARACTERS),
  };
  return JSON.stringify({ ...letter, fields: undefined, error: short });
}

/**
 * Reads a letter. Its event may be unreadable.
 * @throws {JsonParseError} when the letter itself cannot be read
 */
export function readLetter(origin: string, json: string): DeadLetter {
  let letter: StoredDeadLetter | null;
  try {
    letter = JSON.parse(json) as StoredDeadLetter | null;
  } catch (error) {
    throw new JsonParseError(`the dead letter ${origin} is not JSON`, { cause: error });
  }
  if (typeof letter !== 'object' || letter === null)
    throw new JsonParseError(`the dead letter ${origin} is not an object`);
  // The key gives the origin, whatever the letter says: the letter is found by its key.
  return letterWith({ ...letter, origin }, eventOf(letter));
}

/** Makes a letter with its event. Its fields do not repeat the event. */
export function letterWith(letter: StoredDeadLetter, event: ServiceEvent | undefined): DeadLetter {
  if (!event) return { ...letter, event, payload: undefined };
  const fields = letter.fields.filter((_, index) => letter.fields[index - (index % 2)] !== 'event');
  return { ...letter, fields, event, payload: valueOf(event.payload) };
}

/**
 * The fields of an entry that a first attempt does not have. The same list is in
 * redis/lua/shared/dead_letters/revived.lua.
 */
export const STARTS_ANEW = [
  'origin',
  'attempt',
  'abandoned_attempts',
  'deduplication',
  'due',
  'listed',
  'errors',
];

/** The fields of a letter beside its event, for a message that starts anew. The ordering key comes first. */
export function fieldsOfNewStart({ fields }: DeadLetter): string[] {
  const kept: string[] = [];
  for (const [name, value] of pairsOf(fields)) {
    if (name === 'ordering_key') kept.unshift(name, value);
    // Nobody waits for a reply any more.
    else if (name !== 'reply_to' && !STARTS_ANEW.includes(name)) kept.push(name, value);
  }
  return kept;
}

function eventOf({ origin, fields }: StoredDeadLetter): ServiceEvent | undefined {
  try {
    return readEntry([origin, fields as string[]])?.event;
  } catch {
    return undefined;
  }
}
