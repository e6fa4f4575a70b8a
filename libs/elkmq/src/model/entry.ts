import { ERRORS_FIELD, withAttemptError } from './attempt-errors.js';
import { decodeEvent } from './codec.js';
import { fieldOf } from './fields.js';
import type { StreamEntry } from './stream-entries.js';
import { JsonParseError } from './errors.js';
import { orderingKeyOf } from './ordering-key.js';
import type { ServiceEvent, Timestamp } from './service-event.js';
import { isStreamId, timestampOf } from './stream-id.js';

/** An entry of the event stream that holds an event. */
export interface QueuedEvent {
  /** The id of this entry. Settling it takes this id. */
  readonly id: string;
  /**
   * The id of the message's first entry. It is the identity of the message, however often the message is
   * tried.
   */
  readonly origin: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /** The number of attempts before this one that were abandoned: their workers have gone. */
  readonly abandonedAttempts: number;
  /** The time at which Redis registered the message, ms. */
  readonly timestamp: Timestamp;
  /** The time from which the timeout counts: the timestamp, or the due time of a delayed message, ms. */
  readonly due: number;
  readonly event: ServiceEvent;
  /** A client of this package wrote it. A legacy client pushes the id to the message queue as well. */
  readonly isOurs: boolean;
  /** All fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** The content of further fields of the entry, as it is. */
  readonly headers: string | undefined;
  readonly metadata: string | undefined;
  /** The deduplication key of a request that has one. Other callers may wait for its replies too. */
  readonly deduplication?: string | undefined;
  /** Messages with the same one are handled one at a time, in order. */
  readonly orderingKey?: string | undefined;
}

/** An entry that was handed out: an event, or an entry that holds none. */
export type HandedOutEntry = Omit<QueuedEvent, 'event' | 'due' | 'headers' | 'metadata'> & {
  readonly event?: ServiceEvent;
  readonly due?: number;
};

/** The name of a message in a line of the log. The line leads to its dead letter. */
export function nameOfMessage({ event, origin }: Pick<QueuedEvent, 'event' | 'origin'>): string {
  return `${event.action} (${origin})`;
}

/**
 * Reads an entry that is no message. It tells the worker that takes it when the first delayed message is due,
 * ms.
 * @returns `undefined` for any other entry
 */
export function nudgeOf([, fields]: StreamEntry): number | undefined {
  return fields?.[0] === 'due' ? Number(fields[1]) : undefined;
}

const ABANDONED_FIELD = 'abandoned_attempts';

/** The fields that the entry for the next attempt does not take over. */
const NOT_KEPT: ReadonlySet<string | undefined> = new Set([
  // The message has been won: legacy consumers do not compete for it any more.
  'listed',
  'origin',
  'attempt',
  ABANDONED_FIELD,
]);

/**
 * The fields of the entry for the next attempt at a message. This one was not abandoned.
 * @param error of the attempt that ends, an `AttemptError` as JSON
 */
export function fieldsOfNext(
  {
    fields,
    origin,
    attempt,
    abandonedAttempts,
  }: Pick<QueuedEvent, 'fields' | 'origin' | 'attempt' | 'abandonedAttempts'>,
  error?: string,
): string[] {
  const next: string[] = [];
  let errors: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1] as string;
    if (fields[i] === ERRORS_FIELD) errors = value;
    else if (!NOT_KEPT.has(fields[i])) next.push(fields[i] as string, value);
  }
  next.push('origin', origin, 'attempt', String(attempt + 1));
  if (abandonedAttempts > 0) next.push(ABANDONED_FIELD, String(abandonedAttempts));
  if (error !== undefined) errors = withAttemptError(errors, error);
  if (errors !== undefined) next.push(ERRORS_FIELD, errors);
  return next;
}

/**
 * The number in `text`; `NaN` for anything but digits. `Number` alone would accept `Infinity`, which JSON
 * cannot hold.
 */
function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

/**
 * Reads an entry.
 * @returns `undefined` for a legacy response, because the event stream holds these as well
 * @throws {JsonParseError} when the entry does not hold a service event
 */
export function readEntry([id, fields]: StreamEntry): QueuedEvent | undefined {
  if (!fields) throw new JsonParseError(`entry ${id} was deleted`);
  let json: string | undefined;
  let replyTo: string | undefined;
  let origin = id;
  let attempt = 1;
  let abandonedAttempts = 0;
  let due: number | undefined;
  let headers: string | undefined;
  let metadata: string | undefined;
  let deduplication: string | undefined;
  let orderingKey: string | undefined;
  if (fields[0] === 'response' && fields.length === 2) return undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1] as string;
    switch (fields[i]) {
      case 'event':
        json = value;
        break;
      case 'reply_to':
        replyTo = value;
        break;
      case 'origin':
        origin = value;
        break;
      case 'attempt':
        attempt = wholeNumber(value);
        break;
      case ABANDONED_FIELD:
        abandonedAttempts = wholeNumber(value);
        break;
      case 'due':
        due = wholeNumber(value);
        break;
      case 'headers':
        headers = value;
        break;
      case 'metadata':
        metadata = value;
        break;
      case 'deduplication':
        deduplication = value;
        break;
      case 'ordering_key':
        orderingKey = value;
        break;
    }
  }
  if (json === undefined) throw new JsonParseError(`entry ${id} has no field 'event'`);
  if (origin !== id && !isStreamId(origin))
    throw new JsonParseError(`entry ${id} has an origin that is no id: ${origin}`);
  if (!(attempt >= 1)) throw new JsonParseError(`entry ${id} has an attempt that is no number`);
  if (Number.isNaN(abandonedAttempts))
    throw new JsonParseError(`entry ${id} has a count of abandoned attempts that is no number`);
  if (Number.isNaN(due)) throw new JsonParseError(`entry ${id} has a due time that is no number`);
  if (orderingKey === '') throw new JsonParseError(`entry ${id} has an ordering key that is empty`);
  const timestamp = timestampOf(origin);
  return {
    id,
    origin,
    attempt,
    // A worker of an earlier version that revives a dead letter keeps the count, and begins with attempt 1.
    abandonedAttempts: Math.min(abandonedAttempts, attempt - 1),
    timestamp,
    due: due ?? timestamp,
    event: decodeEvent(json, replyTo === '' ? undefined : replyTo),
    isOurs: replyTo !== undefined,
    fields,
    headers,
    metadata,
    // The key of an event matters to its producer only.
    deduplication: replyTo ? deduplication : undefined,
    orderingKey,
  };
}

/** An entry that holds no event, or none that can be read. A legacy client may have written it. */
export function entryWithoutEvent([id, fields]: StreamEntry): HandedOutEntry {
  const origin = originOf(id, fields ?? []);
  const common = {
    id,
    origin,
    attempt: 1,
    abandonedAttempts: 0,
    timestamp: timestampOf(origin),
    isOurs: false,
  };
  return { ...common, fields: fields ?? [], orderingKey: orderingKeyOf(fields ?? []) };
}

/** The origin that an entry names, unless it is no id. */
function originOf(id: string, fields: readonly string[]): string {
  const origin = fieldOf(fields, 'origin') ?? '';
  return isStreamId(origin) ? origin : id;
}
