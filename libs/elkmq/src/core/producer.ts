import type { Connection } from './connection.js';
import { ConnectionError, EnqueueError } from './errors.js';
import type { QueueKeys } from './keys.js';
import { callReliably } from './reliable-call.js';
import { isReplyError } from './redis-errors.js';

/** An event on its way into the queue. */
export interface OutgoingEvent {
  /** JSON of the service event. */
  readonly json: string;
  /** Further fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** For a request: how long its reply can take, ms. `0`: no reply is wanted. */
  readonly replyWithin: number;
  /** How long it is put off, whole ms. */
  readonly delay: number;
  /** The event is in the queue. @param id of its entry */
  stored(id: string): void;
  /** The event is not in the queue; after a `ConnectionError` it may be, but is not sent again. */
  failed(error: Error): void;
}

interface Batch {
  readonly events: OutgoingEvent[];
  size: number;
}

/** Batches on their way at once. The script remembers as many answers. */
const WINDOW = 8;
/** A batch is as large as this, in events and in characters; a larger event has one of its own. */
const BATCH_EVENTS = 128;
const BATCH_SIZE = 512 * 1024;
/** How much longer than the producer tries the script remembers its answers, ms. */
const MEMORY_MARGIN = 60_000;
/** How much longer than the latest reply can take an inbox is kept, ms. */
const INBOX_MARGIN = 30_000;

/**
 * Stores events, once each, in batches: what is added during one tick goes out together. Batches are numbered and
 * sent again when their answer was lost; the script answers a number that it has seen as it did then.
 */
export class Producer {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #clientId: string;
  readonly #patience: number;
  #waiting: Batch[] = [];
  #inFlight = 0;
  #nextNumber = 1;
  #scheduled = false;
  #idle: (() => void)[] = [];
  /** Numbers whose place in the window is taken; a number may go out only when the one WINDOW before it is done. */
  readonly #open = new Set<number>();

  /** @param patience how long a batch is tried before it fails with a `ConnectionError`, ms */
  constructor(connection: Connection, keys: QueueKeys, clientId: string, patience: number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#clientId = clientId;
    this.#patience = patience;
  }

  /** Puts `event` in the batch of this tick. */
  add(event: OutgoingEvent): void {
    let batch = this.#waiting.at(-1);
    if (!batch || batch.events.length >= BATCH_EVENTS || batch.size + event.json.length > BATCH_SIZE) {
      batch = { events: [], size: 0 };
      this.#waiting.push(batch);
    }
    batch.events.push(event);
    batch.size += event.json.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Takes back an event that has not been sent. Answers whether it could. */
  withdraw(event: OutgoingEvent): boolean {
    for (const batch of this.#waiting) {
      const place = batch.events.indexOf(event);
      if (place < 0) continue;
      batch.events.splice(place, 1);
      batch.size -= event.json.length;
      return true;
    }
    return false;
  }

  /** Resolves when nothing is waiting or on its way. */
  async drained(): Promise<void> {
    while (this.#waiting.length > 0 || this.#inFlight > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #flush(): void {
    while (this.#waiting.length > 0 && !this.#open.has(this.#nextNumber - WINDOW)) {
      const batch = this.#waiting.shift() as Batch;
      if (batch.events.length > 0) void this.#send(batch.events, this.#nextNumber++);
    }
    if (this.#waiting.length > 0 || this.#inFlight > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const wake of idle) wake();
  }

  async #send(events: OutgoingEvent[], number: number): Promise<void> {
    this.#inFlight++;
    this.#open.add(number);
    try {
      const ids = (await this.#call(events, number)) as string;
      // The usual batch of one is not worth an array.
      if (events.length === 1) (events[0] as OutgoingEvent).stored(ids);
      else for (const [index, id] of ids.split(',').entries()) (events[index] as OutgoingEvent).stored(id);
    } catch (error) {
      const failure = asEnqueueFailure(error);
      for (const event of events) event.failed(failure);
    } finally {
      this.#open.delete(number);
      this.#inFlight--;
      this.#flush();
    }
  }

  #call(events: OutgoingEvent[], number: number): Promise<unknown> {
    let replyWithin = 0;
    let isDelayed = false;
    const args: (string | number)[] = [];
    for (const event of events) {
      if (event.replyWithin > replyWithin) replyWithin = event.replyWithin;
      const kind = (event.replyWithin > 0 ? 'r' : 'e') + String(event.fields.length / 2);
      if (event.delay > 0) isDelayed = true;
      args.push(event.delay > 0 ? `${kind}:${String(event.delay)}` : kind, event.json, ...event.fields);
    }
    const { eventStream, delayed, delayedBodies } = this.#keys;
    const keys = [eventStream, this.#keys.producer(this.#clientId)];
    if (replyWithin > 0) keys.push(this.#keys.inbox(this.#clientId) as string);
    if (isDelayed) keys.push(delayed, delayedBodies);
    const head = [
      number,
      WINDOW,
      this.#patience + MEMORY_MARGIN,
      replyWithin > 0 ? Math.ceil(replyWithin) + INBOX_MARGIN : 0,
      this.#clientId,
    ];
    return callReliably(this.#connection, 'enqueue', keys, [...head, ...args], this.#patience);
  }
}

function asEnqueueFailure(error: unknown): Error {
  if (error instanceof ConnectionError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return isReplyError(error)
    ? new EnqueueError(`Redis refused to store the event: ${why}`, { cause: error })
    : new EnqueueError(`the event was not stored: ${why}`, { cause: error });
}
