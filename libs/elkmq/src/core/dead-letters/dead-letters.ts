import type { StreamEntry } from '../redis/stream-entries.js';
import { valueOf } from '../wire/codec.js';
import { readEntry, timestampOf, type QueuedEvent } from '../wire/entry.js';
import { JsonParseError } from '../errors.js';
import { describeThrown, type DescribedError } from '../thrown.js';
import type { ServiceEvent } from '../service-event.js';

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
 * Why a message was not handled: `failed`, its handler threw, the last time if there were several; `rejected`, its handler
 * said so (`context.deadLetter`); `unhandled`, no handler has its pattern; `expired`, its time was over before a worker
 * took it; `abandoned`, its worker died; `exhausted`, as many workers died as `maxDeliveries` says; `malformed`, it is no event.
 */
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** How the JSON of a letter begins whose message was given up while it was perhaps still being handled. */
export const ABANDONED_LETTER = '{"reason":"abandoned"';

/** A message that was not handled, as it is kept in Redis (JSON). */
export interface StoredDeadLetter {
  /** Why it was not handled. */
  readonly reason: DeadLetterReason;
  /** Id of the message's first entry: the identity of the message, and of its letter. */
  readonly origin: string;
  /** Fields of the entry, name and value in turn, the event among them. */
  readonly fields: readonly string[];
  /** What its handler threw, or why it was given up. */
  readonly error?: DescribedError;
  /** How many attempts there were. */
  readonly attempts: number;
  /** When Redis registered the message; milliseconds since 1970. */
  readonly firstAt: number;
  /** When it died; milliseconds since 1970 on the clock of Redis. */
  readonly lastAt: number;
  /** The worker that had it last. */
  readonly consumer: string;
}

/** A message that was not handled. */
export interface DeadLetter extends StoredDeadLetter {
  /** What was not handled; `undefined` when the entry could not be read as an event. */
  readonly event: ServiceEvent | undefined;
  /** What the handler was to get: the value of the event's payload, which is JSON, or its text where it is none. */
  readonly payload: unknown;
  /** Further fields of the entry, name and value in turn. The event is among them only when it could not be read. */
  readonly fields: readonly string[];
}

/** How many dead letters a queue keeps, and for how long. */
export interface DeadLetterCap {
  /** The newest so many are kept. */
  readonly max: number;
  /** ms */
  readonly maxAge: number;
}

/** What ends among the dead letters: an event, or an entry that is none. */
export type Dead = Omit<QueuedEvent, 'event' | 'due' | 'headers' | 'metadata'> & {
  readonly event?: ServiceEvent;
};

/** An entry that cannot be read, which may have been an original client's. */
export function malformed([id, fields]: StreamEntry): Dead {
  return { id, origin: id, attempt: 1, timestamp: timestampOf(id), fields: fields ?? [], isOurs: false };
}

export function letterOf(
  { origin, fields, attempt, timestamp }: Dead,
  reason: DeadLetterReason,
  error: unknown,
  consumer: string,
  now: number,
): StoredDeadLetter {
  return {
    // First: see ABANDONED_LETTER.
    reason,
    origin,
    fields,
    // `undefined` can be thrown as well.
    ...((error !== undefined || reason === 'failed') && { error: describeThrown(error) }),
    attempts: attempt,
    firstAt: timestamp,
    lastAt: Math.floor(now),
    consumer,
  };
}

/** So much of each part of an error has a letter whose JSON Redis has refused. */
const SHORT_CHARACTERS = 10_000;

/** The JSON of a letter without the fields of its entry, and with an error that is not too long. */
export function shortJsonOf({ error, ...letter }: StoredDeadLetter): string {
  const short = error && {
    name: error.name.slice(0, SHORT_CHARACTERS),
    message: error.message.slice(0, SHORT_CHARACTERS),
    stack: error.stack?.slice(0, SHORT_CHARACTERS),
  };
  return JSON.stringify({ ...letter, fields: undefined, error: short });
}

/** @throws {JsonParseError} when the letter cannot be read, whatever of its event */
export function readLetter(origin: string, json: string): DeadLetter {
  let letter: StoredDeadLetter | null;
  try {
    letter = JSON.parse(json) as StoredDeadLetter | null;
  } catch (error) {
    throw new JsonParseError(`the dead letter ${origin} is not JSON`, { cause: error });
  }
  if (typeof letter !== 'object' || letter === null)
    throw new JsonParseError(`the dead letter ${origin} is not an object`);
  // By its key, whatever it says itself: that is how it is found again.
  return letterWith({ ...letter, origin }, eventOf(letter));
}

/** A letter with its event, which it does not repeat. */
export function letterWith(letter: StoredDeadLetter, event: ServiceEvent | undefined): DeadLetter {
  if (!event) return { ...letter, event, payload: undefined };
  const fields = letter.fields.filter((_, index) => letter.fields[index - (index % 2)] !== 'event');
  return { ...letter, fields, event, payload: valueOf(event.payload) };
}

function eventOf({ origin, fields }: StoredDeadLetter): ServiceEvent | undefined {
  try {
    return readEntry([origin, fields as string[]])?.event;
  } catch {
    return undefined;
  }
}
