import type { EnqueueError } from '../errors.js';
import { KEPT_LONGER } from '../interop/competition.js';
import { GROUP, type QueueKeys } from '../keys.js';

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

/** The producer that sends a batch. */
export interface Sender {
  readonly clientId: string;
  /** How many batches it has in flight at the most. */
  readonly window: number;
  /** How long Redis remembers what it answered, ms. */
  readonly memory: number;
  /** How many messages the queue may hold. */
  readonly maxQueueLength: number | undefined;
  /** Ids go to the original's list too. */
  readonly legacyConsumers: boolean;
}

/** What the script answers for an event in place of its id, when the queue is full. */
export const FULL = 'FULL';

/** A batch is as large as this, in events and in characters; a larger event has one of its own. */
const MAX_EVENTS = 128;
const MAX_SIZE = 512 * 1024;
/** How much longer than the latest reply can take an inbox is kept, ms. */
const INBOX_MARGIN = 30_000;

/** Events that go out together. */
export class Batch {
  readonly events: OutgoingEvent[] = [];
  /** `performance.now()` when the first of them was added, or a moment before. */
  readonly since = performance.now();
  /** Characters of JSON. */
  size = 0;
  /** It is stored, but fewer replicas have it than they should. */
  unconfirmed: EnqueueError | undefined;

  hasRoomFor(event: OutgoingEvent): boolean {
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

  /** The keys and arguments of `enqueue.lua`. */
  call(queueKeys: QueueKeys, sender: Sender, number: number): { keys: string[]; args: (string | number)[] } {
    let replyWithin = 0;
    for (const event of this.events) if (event.replyWithin > replyWithin) replyWithin = event.replyWithin;
    const keys = [queueKeys.eventStream, queueKeys.producer(sender.clientId)];
    if (replyWithin > 0) keys.push(queueKeys.inbox(sender.clientId) as string);
    const inboxFor = replyWithin > 0 ? Math.ceil(replyWithin) + INBOX_MARGIN : 0;
    const { window, memory, clientId, maxQueueLength, legacyConsumers } = sender;
    const place = legacyConsumers ? keys.push(queueKeys.messageQueue) : '';
    if (legacyConsumers) keys.push(queueKeys.leftovers);
    const most = maxQueueLength ?? '';
    const args = [number, window, memory, inboxFor, clientId, most, place, GROUP, KEPT_LONGER];
    let isDelayed = false;
    for (const event of this.events) {
      let kind = (event.replyWithin > 0 ? 'r' : 'e') + String(event.fields.length / 2);
      if (event.delay > 0) {
        isDelayed = true;
        kind += `:${String(event.delay)}`;
      }
      if (event.deduplication) kind += recordOf(event, event.deduplication, queueKeys, keys);
      args.push(kind, event.json, ...event.fields);
    }
    if (maxQueueLength !== undefined) keys.push(queueKeys.responseStream, queueKeys.leftovers);
    if (isDelayed || maxQueueLength !== undefined) keys.push(queueKeys.delayed, queueKeys.delayedBodies);
    return { keys, args };
  }
}

/** Adds the record of a deduplication key to `keys`. @returns what the script must know of it */
function recordOf(
  { replyWithin, requestId }: OutgoingEvent,
  { key, window }: Deduplication,
  queueKeys: QueueKeys,
  keys: string[],
): string {
  const isRequest = replyWithin > 0;
  const place = keys.push(queueKeys.deduplication(isRequest ? 'request' : 'event', key));
  const needed = isRequest ? Math.ceil(replyWithin) + INBOX_MARGIN : 0;
  return `;${String(place)};${String(window)};${String(needed)};${isRequest ? requestId : ''}`;
}
