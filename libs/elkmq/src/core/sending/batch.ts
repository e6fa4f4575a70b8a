import type { EnqueueError } from '../errors.js';
import { LARGE_CHARACTERS } from '../redis/call-apart.js';

/** What makes a message the same as another: within `window` ms only the first with that key is stored. */
export interface Deduplication {
  readonly key: string;
  readonly window: number;
}

/** An event on its way into the queue. */
export interface OutgoingEvent {
  readonly requestId: string;
  /** JSON of the service event. */
  readonly json: string;
  /** Further fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** For a request: how long its reply can take, ms. `0`: no reply is wanted. */
  readonly replyWithin: number;
  /** How long it is put off, whole ms. */
  readonly delay: number;
  readonly deduplication: Deduplication | undefined;
  /** The event is in the queue. @param id of its entry, or of the one that it is a duplicate of */
  stored(id: string): void;
  /** The event is not in the queue; after a `ConnectionError` it may be, but is not sent again. */
  failed(error: Error): void;
}

/**
 * An event that nobody waits for a reply to.
 *
 * An object literal would do, but V8 allocates the objects of a literal among the old ones once it has seen a burst of them
 * all survive. When such an object is done with, a collection of the young ones does not know, and takes all that it
 * leads to for alive: each message is copied long after it has ended. Instances of classes stay among the young.
 */
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

/** What the script answers for an event in place of its id, when the queue is full. */
export const FULL = 'FULL';

/** A batch is as large as this, in events and in characters. A large event has one of its own, as Redis may refuse it. */
const MAX_EVENTS = 128;
const MAX_SIZE = 512 * 1024;

/** Events that go out together. */
export class Batch {
  readonly events: OutgoingEvent[] = [];
  /** `attentiveNow()` when it was to go out, at the end of the tick in which the first of them was added. */
  since: number | undefined;
  /** Characters of JSON. */
  size = 0;
  /** It is stored, but fewer replicas have it than they should. */
  unconfirmed: EnqueueError | undefined;

  hasRoomFor(event: OutgoingEvent): boolean {
    const [first] = this.events;
    if (!first) return true;
    if (isLarge(first) || isLarge(event)) return false;
    return this.events.length < MAX_EVENTS && this.size + event.json.length <= MAX_SIZE;
  }

  add(event: OutgoingEvent): void {
    this.events.push(event);
    this.size += event.json.length;
  }

  /** Answers whether `event` was here. */
  remove(event: OutgoingEvent): boolean {
    const place = this.events.indexOf(event);
    if (place < 0) return false;
    this.events.splice(place, 1);
    this.size -= event.json.length;
    return true;
  }
}

function isLarge({ json }: OutgoingEvent): boolean {
  return json.length >= LARGE_CHARACTERS;
}
