import { InvalidOptionError } from './errors.js';
import { subscriptionOfQueue } from './topic-names.js';

/** The one consumer group of a queue, on its event stream. */
export const GROUP = 'elkmq';

/**
 * The id of a client. It is a part of a key, so it allows nothing that could lead to the keys of another
 * queue.
 */
const CLIENT_ID = /^[\w-]{1,64}$/;

/** Names every key of a queue, with its type. No other file names keys. */
export class QueueKeys {
  /** stream: every event; its field `event` is as the original ElkMQ writes it */
  readonly eventStream: string;
  /** list: ids of legacy events that no legacy consumer has taken; `LPUSH` in, `RPOP` out */
  readonly messageQueue: string;
  /** stream: the legacy index, one field a response: request uuid → id of the body in the event stream */
  readonly responseStream: string;
  /** zset: messages that were not handled; origin → time of death, ms */
  readonly deadLetters: string;
  /** hash: origin → the dead letter as JSON */
  readonly deadLetterBodies: string;
  /** zset: messages that are due later; origin → due time, ms */
  readonly delayed: string;
  /** hash: origin → the fields of its next entry, name and value in turn, as JSON */
  readonly delayedBodies: string;
  /** zset with a TTL: running requests that nobody waits for; origin → time until which this is of use, ms */
  readonly cancelled: string;
  /**
   * zset: entries of the event stream that are left to legacy clients; id → time from which they can be
   * deleted, ms
   */
  readonly leftovers: string;
  /** hash, kept while it is needed: the content of the event stream before the consumer group */
  readonly history: string;
  /** this key never exists: commands are tried on it, see redis/rights.ts */
  readonly rights: string;
  /** hash with a TTL: worker → its description of itself, renewed every few seconds, as JSON */
  readonly workers: string;
  /**
   * hash: ordering key → its lane, see shared/lanes/lane.lua; `''` → number of lanes in which messages wait
   */
  readonly lanes: string;
  /** hash: `NUMBER KEY` → the fields of a message that waits in a lane, packed by MessagePack */
  readonly laneBodies: string;
  /**
   * string with a TTL: counts the calls that have made ids for messages in lanes. All subscriptions of a
   * topic have the one of the topic.
   */
  readonly laneIds: string;
  /** hash: origin of a dead letter → the ordering key that it holds, see shared/lanes/hold.lua */
  readonly held: string;
  /** string with a TTL: the worker that looks for lanes whose head is gone */
  readonly laneSweep: string;
  /**
   * hash: `paused` → the time since which the queue is paused, ms; `by` → whoever paused it; `concurrency`,
   * `rate`, `per` → limits; `tat` → where the rate stands, us on the clock of Redis
   */
  readonly control: string;
  /**
   * hash with a TTL: what was done in each minute of the last 48 hours, see shared/rate_minutes.lua
   */
  readonly rates: string;
  /**
   * string: the number of partitions of the queue; it is not there when the queue has none. All subscriptions
   * of a topic have the one of the topic.
   */
  readonly partitions: string;
  /** stream: messages on their way to another queue; fields `to`, `due_at`, and those of the message */
  readonly moving: string;
  /** hash: a queue from which messages were moved here → the id that the last of them had in its `moving` */
  readonly arrived: string;
  /** hash: schedule → the time of its declaration and its definition, see `schedules/schedule-rows.ts` */
  readonly schedules: string;
  /** zset: schedule → its next occurrence, ms */
  readonly schedulesDue: string;
  readonly #prefix: string;

  /**
   * @param cluster whether this is Redis Cluster: then the name becomes a hash tag, so every key is in one
   * slot
   */
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
    this.lanes = `${this.#prefix}(lanes)`;
    this.laneBodies = `${this.#prefix}(lane_bodies)`;
    const subscription = subscriptionOfQueue(queue);
    const topic = subscription && `{${subscription.topic}}`;
    this.laneIds = `${topic ?? this.#prefix}(lane_ids)`;
    this.held = `${this.#prefix}(held)`;
    this.laneSweep = `${this.#prefix}(lane_sweep)`;
    this.control = `${this.#prefix}(control)`;
    this.rates = `${this.#prefix}(rates)`;
    this.partitions = topic === undefined ? `${this.#prefix}(partitions)` : `${topic}(topic_partitions)`;
    this.moving = `${this.#prefix}(moving)`;
    this.arrived = `${this.#prefix}(arrived)`;
    this.schedules = `${this.#prefix}(schedules)`;
    this.schedulesDue = `${this.#prefix}(schedules_due)`;
  }

  /** All keys of this queue alone that have a fixed name. */
  fixedKeys(): string[] {
    return Object.values(this).filter(
      (key: unknown): key is string => typeof key === 'string' && key.startsWith(`${this.#prefix}(`),
    );
  }

  /** stream with a TTL: replies to one client process; `undefined` when the id is not one of a client */
  inbox(clientId: string): string | undefined {
    return CLIENT_ID.test(clientId) ? `${this.#prefix}(inbox):${clientId}` : undefined;
  }

  /**
   * A key with a TTL. It is a string for an event: the id of the first event with this deduplication key. It
   * is a hash for a request: its origin, the callers who wait for its replies, and the replies so far.
   */
  deduplication(kind: 'event' | 'request', key: string): string {
    return `${this.#prefix}(deduplication):${kind}:${key}`;
  }

  /** hash with a TTL: the answers to the last batches of one client process */
  producer(clientId: string): string {
    return `${this.#prefix}(producer):${clientId}`;
  }
}
