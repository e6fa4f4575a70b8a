import { InvalidOptionError } from './errors.js';

/** The one consumer group of a queue, on its event stream. */
export const GROUP = 'elkmq';

/** What a client may be called: a part of a key, so nothing that could lead to another queue's keys. */
const CLIENT_ID = /^[\w-]{1,64}$/;

/** Every key of a queue, with its type. No other file names keys. */
export class QueueKeys {
  /** stream: every event, field `event` as the original writes it */
  readonly eventStream: string;
  /** list: ids of the original's events that none of its consumers has taken; `LPUSH` in, `RPOP` out */
  readonly messageQueue: string;
  /** stream: the original's index, one field a response: request uuid → id of the body in the event stream */
  readonly responseStream: string;
  /** zset: messages that were not handled; origin → time of death, ms */
  readonly deadLetters: string;
  /** hash: origin → the dead letter as JSON */
  readonly deadLetterBodies: string;
  /** zset: messages that are due later; origin → when, ms */
  readonly delayed: string;
  /** hash: origin → the fields of its next entry, name and value in turn, as JSON */
  readonly delayedBodies: string;
  /** zset with a TTL: running requests that nobody waits for; origin → until when that is of use, ms */
  readonly cancelled: string;
  /** zset: entries of the event stream that are left to original clients; id → when it can be deleted, ms */
  readonly leftovers: string;
  /** hash, for as long as it is needed: what was in the event stream before the consumer group */
  readonly history: string;
  /** never there: commands are tried on it, see redis/rights.ts */
  readonly rights: string;
  /** hash with a TTL: worker → what it says about itself every few seconds, as JSON */
  readonly workers: string;
  readonly #prefix: string;

  /** @param cluster Redis Cluster: the name becomes a hash tag, so that every key of the queue is in one slot */
  constructor(
    readonly queue: string,
    cluster: boolean,
  ) {
    if (cluster && queue === '') throw new InvalidOptionError('queue must not be empty on Redis Cluster');
    this.#prefix = cluster && !/\{[^}]+\}/.test(queue) ? `{${queue}}` : queue;
    this.eventStream = `${this.#prefix}(event_stream)`;
    this.messageQueue = `${this.#prefix}(message_queue)`;
    this.responseStream = `${this.#prefix}(response_stream)`;
    this.deadLetters = `${this.#prefix}(dead_letters)`;
    this.deadLetterBodies = `${this.#prefix}(dead_letter_bodies)`;
    this.delayed = `${this.#prefix}(delayed)`;
    this.delayedBodies = `${this.#prefix}(delayed_bodies)`;
    this.cancelled = `${this.#prefix}(cancelled)`;
    this.leftovers = `${this.#prefix}(leftovers)`;
    this.history = `${this.#prefix}(history)`;
    this.rights = `${this.#prefix}(rights)`;
    this.workers = `${this.#prefix}(workers)`;
  }

  /** stream with a TTL: replies to one client process; `undefined` when the id is not one of a client */
  inbox(clientId: string): string | undefined {
    return CLIENT_ID.test(clientId) ? `${this.#prefix}(inbox):${clientId}` : undefined;
  }

  /**
   * With a TTL. For an event a string: the id of the first event with this deduplication key. For a request a hash:
   * its origin, who waits for its replies, and what has been said
   */
  deduplication(kind: 'event' | 'request', key: string): string {
    return `${this.#prefix}(deduplication):${kind}:${key}`;
  }

  /** hash with a TTL: what was answered to the last batches of one client process */
  producer(clientId: string): string {
    return `${this.#prefix}(producer):${clientId}`;
  }
}
