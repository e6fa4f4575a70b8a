import type { Deduplication } from '../model/deduplication.js';
import type { EnqueueError } from '../model/errors.js';
import { isKeyed } from '../model/ordering-key.js';
import { LARGE_CHARACTERS } from '../redis/call-apart.js';

/** An event on its way into the queue. */
export interface OutgoingEvent {
  readonly requestId: string;
  /** JSON of the service event. */
  readonly json: string;
  /** Further fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** The time that the reply to a request can take, ms. `0` means that no reply is wanted. */
  readonly replyWithin: number;
  /** The delay of the message, whole ms. */
  readonly delay: number;
  readonly deduplication: Deduplication | undefined;
  /**
   * Called when the event is in the queue.
   * @param id of its entry, or of the entry of which it is a duplicate
   */
  stored(id: string): void;
  /**
   * Called when the event is not in the queue. After a `ConnectionError` it may be there, but it is not sent
   * again.
   */
  failed(error: Error): void;
}

/** An event without a reply. It is a class and no literal: see "No literal" in docs/performance.md. */
export class PlainEvent implements OutgoingEvent {
  readonly replyWithin = 0;

  constructor(
    readonly requestId: string,
    readonly json: string,
    readonly fields: readonly string[],
    readonly delay: number,
    readonly deduplication: Deduplication | undefined,
    readonly stored: (id: string) => void,
    readonly failed: (error: Error) => void,
  ) {}
}

/** The answer of the script for an event when the queue is full. It stands in the place of the id. */
export const QUEUE_IS_FULL = 'FULL';
/** The beginning of its answer for an event that Redis refuses while it stores others. The reason follows. */
export const IS_REFUSED = 'REFUSED ';

/**
 * The largest batch, in events and in characters. A large event gets a batch of its own, because Redis may
 * refuse it.
 */
export const MAX_EVENTS = 128;
export const MAX_CHARACTERS = 512 * 1024;

/** Events that go out together. */
export class Batch {
  readonly events: OutgoingEvent[] = [];
  /**
   * The `attentiveNow()` at which the batch was to go out: the end of the tick in which its first event was
   * added.
   */
  since: number | undefined;
  /** The size in characters of JSON. */
  size = 0;
  /** Whether a message of the batch has, or had, an ordering key. */
  isKeyed = false;
  /** The error when the batch is stored, but too few replicas have confirmed it. */
  unconfirmed: EnqueueError | undefined;

  hasRoomFor(event: OutgoingEvent): boolean {
    const [first] = this.events;
    if (!first) return true;
    if (isLarge(first) || isLarge(event)) return false;
    return this.events.length < MAX_EVENTS && this.size + event.json.length <= MAX_CHARACTERS;
  }

  addEvent(event: OutgoingEvent): void {
    this.events.push(event);
    this.size += event.json.length;
    if (event.fields.length > 0 && isKeyed(event.fields)) this.isKeyed = true;
  }

  /** Removes an event. Returns whether it was in this batch. */
  removeEvent(event: OutgoingEvent): boolean {
    const index = this.events.indexOf(event);
    if (index < 0) return false;
    this.events.splice(index, 1);
    this.size -= event.json.length;
    return true;
  }
}

/** Whether an event gets a batch of its own. */
export function isLarge({ json }: Pick<OutgoingEvent, 'json'>): boolean {
  return json.length >= LARGE_CHARACTERS;
}

/** Is notified of the batches of a producer. */
export interface BatchWatch {
  batchSent(): void;
  /** Redis has answered the batch, or the time is up. */
  batchEnded(): void;
  /** A batch is tried again after this error, if there is time. */
  attemptFailed(error: unknown): void;
}
