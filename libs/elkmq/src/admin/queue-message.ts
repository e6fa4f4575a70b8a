import type { DeadLetter } from '../dead-letters/dead-letter.js';
import { ERRORS_FIELD, readAttemptErrors, type AttemptError } from '../model/attempt-errors.js';
import { valueOf } from '../model/codec.js';
import { nudgeOf, readEntry, type QueuedEvent } from '../model/entry.js';
import { fieldOf } from '../model/fields.js';
import { readStrings } from '../model/headers.js';
import { orderingKeyOf } from '../model/ordering-key.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { timestampOf } from '../model/stream-id.js';

/**
 * The place of a message:
 * - `waiting`: no worker has taken it.
 * - `ordered`: it waits behind another message of its ordering key.
 * - `running`: a worker has taken it and not settled it.
 * - `delayed`: it is due later.
 * - `dead`: it was not handled, and is kept as a dead letter.
 */
export type MessageState = 'waiting' | 'ordered' | 'running' | 'delayed' | 'dead';

/** One message of a queue. */
export interface QueueMessage {
  readonly state: MessageState;
  /**
   * The id by which `remove` and `runNow` find it: of its entry, or its origin when it is ordered,
   * delayed or dead.
   */
  readonly id: string;
  /** The id of its first entry. It stays the same however often the message is tried. */
  readonly origin: string;
  /** The event; `undefined` when the entry cannot be read as an event. */
  readonly event: ServiceEvent | undefined;
  /** The data for the handler: the value of the event's payload if that is JSON, otherwise its text. */
  readonly payload: unknown;
  /** The headers; empty when there are none, or they are no object of strings. */
  readonly headers: Readonly<Record<string, string>>;
  /** The number of the attempt, from 1. For a dead letter it is the last one. */
  readonly attempt: number;
  /**
   * The errors of earlier attempts: the latest five at most, the oldest first. An attempt of a worker of an
   * earlier version is missing. The error of the last attempt of a dead letter is
   * in `letter`.
   */
  readonly errors: readonly AttemptError[];
  /** The time at which Redis registered the message, ms since 1970. */
  readonly storedAt: number;
  /** The time at which it expires, ms since 1970; `undefined` when the entry cannot be read as an event. */
  readonly deadline: number | undefined;
  /** The ordering key; `undefined` when it has none. */
  readonly orderingKey: string | undefined;
  /** Whether a caller wants a reply. */
  readonly isRequest: boolean;
  /** The fields of its entry, name and value in turn. A dead letter has them without the event. */
  readonly fields: readonly string[];
  /**
   * The consumer in the group that has it (running), or had it last (dead). It begins with a worker's name.
   */
  readonly consumer?: string;
  /**
   * The time at which the worker took a running message or last renewed its lease, ms since 1970. Workers
   * renew at a third of the lease.
   */
  readonly renewedAt?: number;
  /** The time at which a delayed message is due, ms since 1970. */
  readonly dueAt?: number;
  /** The dead letter of a dead message: its reason, its error, and the time of its death. */
  readonly letter?: DeadLetter;
}

/** The members that only some states have. */
type Extras = Pick<QueueMessage, 'consumer' | 'renewedAt' | 'dueAt'>;

/**
 * Reads an entry of the event stream.
 * @returns `undefined` when the entry is no message: a nudge, or a legacy response
 */
export function messageOfEntry(
  entry: StreamEntry,
  state: MessageState,
  extras: Extras = {},
): QueueMessage | undefined {
  if (nudgeOf(entry) !== undefined) return undefined;
  const [id, fields] = entry;
  let read: QueuedEvent | undefined;
  try {
    read = readEntry(entry);
    if (!read) return undefined;
  } catch {
    // Something else has written the entry. It is shown as it is.
  }
  return { ...describe(id, read, fields ?? []), state, ...extras };
}

/** Reads a delayed message. */
export function messageOfDelayed(origin: string, json: string, dueAt: number): QueueMessage {
  const fields = fieldsOf(json);
  const message = messageOfEntry([origin, fields], 'delayed', { dueAt });
  const found = message ?? { ...describe(origin, undefined, fields), state: 'delayed' as const, dueAt };
  return { ...found, id: origin, origin };
}

/** Makes the message of a dead letter. */
export function messageOfLetter(letter: DeadLetter): QueueMessage {
  const { event, origin, attempts, firstAt, consumer, payload } = letter;
  const fields = Array.isArray(letter.fields) ? letter.fields : [];
  return {
    state: 'dead',
    id: origin,
    origin,
    event,
    payload,
    headers: readStrings(fieldOf(fields, 'headers')),
    attempt: attempts,
    errors: errorsOf(fields),
    storedAt: firstAt,
    deadline: event && dueOf(fields, firstAt) + event.timeout * 1_000,
    orderingKey: orderingKeyOf(fields),
    isRequest: (fieldOf(fields, 'reply_to') ?? '') !== '',
    fields,
    consumer,
    letter,
  };
}

function describe(
  id: string,
  read: QueuedEvent | undefined,
  fields: readonly string[],
): Omit<QueueMessage, 'state'> {
  const orderingKey = orderingKeyOf(fields);
  if (!read) {
    const storedAt = timestampOf(id);
    const unknown = { event: undefined, payload: undefined, headers: {}, deadline: undefined };
    return {
      id,
      origin: id,
      ...unknown,
      attempt: 1,
      errors: [],
      storedAt,
      orderingKey,
      isRequest: false,
      fields,
    };
  }
  const { origin, event, attempt, timestamp, due, headers } = read;
  return {
    id,
    origin,
    event,
    payload: valueOf(event.payload),
    headers: readStrings(headers),
    attempt,
    errors: errorsOf(fields),
    storedAt: timestamp,
    deadline: due + event.timeout * 1_000,
    orderingKey,
    isRequest: event.replyTo !== undefined,
    fields,
  };
}

function fieldsOf(json: string): string[] {
  try {
    const fields = JSON.parse(json) as unknown;
    const isRight = Array.isArray(fields) && fields.every((text) => typeof text === 'string');
    return isRight ? fields : ['event', json];
  } catch {
    return ['event', json];
  }
}

function dueOf(fields: readonly string[], fallback: number): number {
  const due = Number(fieldOf(fields, 'due') ?? Number.NaN);
  return Number.isFinite(due) ? due : fallback;
}

function errorsOf(fields: readonly string[]): AttemptError[] {
  return readAttemptErrors(fieldOf(fields, ERRORS_FIELD));
}
