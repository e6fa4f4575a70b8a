import type { StreamEntry } from './blocking-reader.js';
import { timestampOf, type QueuedEvent } from './entry.js';
import { toJson } from './json.js';
import type { ServiceEvent } from './service-event.js';

/** Why a message was not handled. */
export type DeadLetterReason =
  'abandoned' | 'exhausted' | 'expired' | 'failed' | 'malformed' | 'rejected' | 'unhandled';

/** How the JSON of a letter begins whose message was given up while it was perhaps still being handled. */
export const ABANDONED_LETTER = '{"reason":"abandoned"';

/** A message that was not handled, as it is kept in Redis (JSON). */
export interface DeadLetter {
  readonly reason: DeadLetterReason;
  /** Id of the message's first entry. */
  readonly origin: string;
  /** Fields of the entry, name and value in turn, the event among them. */
  readonly fields: readonly string[];
  readonly error?: { readonly name: string; readonly message: string; readonly stack?: string };
  readonly attempts: number;
  /** When Redis registered the message; milliseconds since 1970. */
  readonly firstAt: number;
  /** When it died; milliseconds since 1970 on the clock of Redis. */
  readonly lastAt: number;
  /** The worker that had it last. */
  readonly consumer: string;
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
): DeadLetter {
  return {
    // First: see ABANDONED_LETTER.
    reason,
    origin,
    fields,
    ...(error !== undefined && { error: described(error) }),
    attempts: attempt,
    firstAt: timestamp,
    lastAt: Math.floor(now),
    consumer,
  };
}

function described(error: unknown): { name: string; message: string; stack?: string } {
  if (!(error instanceof Error)) return { name: typeof error, message: asText(error) };
  const { name, message, stack } = error;
  return { name, message, ...(stack !== undefined && { stack }) };
}

function asText(value: unknown): string {
  try {
    return typeof value === 'string' ? value : (toJson(value) ?? String(value));
  } catch {
    return Object.prototype.toString.call(value);
  }
}
