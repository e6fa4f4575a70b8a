import type { StreamEntry } from './blocking-reader.js';
import { COMMAND_TIMEOUT, Connection, type ConnectionListener } from './connection.js';
import { Delivery, type DeliveryEnds } from './delivery.js';
import { letterOf, malformed, type Dead, type DeadLetterReason } from './dead-letters.js';
import { readEntry } from './entry.js';
import { GroupConsumer, joinGroup } from './group-consumer.js';
import type { QueueKeys } from './keys.js';
import { Outcomes } from './outcomes.js';
import { RedisClock } from './redis-clock.js';
import type { RedisSource } from './redis-source.js';
import type { ServiceEvent } from './service-event.js';
import { PATIENCE, Settler } from './settler.js';

export interface WorkerListener extends ConnectionListener {
  /** An event to be handled. Whatever comes of it, the delivery must be ended. */
  handle(delivery: Delivery): void;
  /** A message that ended without being handled; `error` says why it did, or why even that failed. */
  dropped(action: string, reason: DeadLetterReason, error?: unknown): void;
}

/** One read takes at least as many entries as this, and at most as many as that. */
const PREFETCH = { min: 8, max: 64 };
/** Between two looks at the clock of Redis, ms. */
const CLOCK_INTERVAL = 15_000;

/**
 * The server's side of a queue: takes events from the consumer group and has so many of them handled at once.
 *
 * An event is running from `handle` until its end is in Redis, and takes one of the `concurrency` slots for as long.
 * What is read is never more than there are free slots, and only grows past PREFETCH.min while reads come back full,
 * so that nothing waits in one worker while another is idle.
 */
export class Worker implements DeliveryEnds {
  readonly connection: Connection;
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #concurrency: number;
  readonly #listener: WorkerListener;
  readonly #outcomes: Outcomes;
  readonly #clock = new RedisClock();
  readonly #running = new Set<Delivery>();
  #consumer: GroupConsumer | undefined;
  #settler: Settler | undefined;
  #clockTimer: NodeJS.Timeout | undefined;
  #prefetch = PREFETCH.min;
  #idle: (() => void) | undefined;

  /** @param concurrency how many events are handled at once */
  constructor(source: RedisSource, keys: QueueKeys, concurrency: number, listener: WorkerListener) {
    this.#source = source;
    this.#keys = keys;
    this.#concurrency = concurrency;
    this.#listener = listener;
    this.connection = new Connection(source, COMMAND_TIMEOUT, listener);
    this.#outcomes = new Outcomes(this.connection, keys, PATIENCE);
  }

  /** Resolves when events are being taken. @throws {ConnectionError} when Redis is away for longer than `patience` ms */
  async start(patience: number): Promise<void> {
    await this.connection.whenConnected(patience);
    await joinGroup(this.connection, this.#keys);
    await this.#clock.synchronise(this.connection.client);
    this.#clockTimer = setInterval(() => {
      // While Redis is away the clock goes on as it was.
      if (this.connection.isConnected) this.#clock.synchronise(this.connection.client).catch(() => undefined);
    }, CLOCK_INTERVAL).unref();
    const intake = {
      credit: () => Math.min(this.#concurrency - this.#running.size, this.#prefetch),
      take: (entries: StreamEntry[], asked: number) => {
        this.#take(entries, asked);
      },
    };
    this.#consumer = new GroupConsumer(this.#source, this.#keys, this.connection, intake, (error) =>
      this.#listener.error?.(error),
    );
    this.#settler = new Settler(this.connection, this.#keys, this.#consumer.name);
  }

  /**
   * Takes nothing more, lets what is running finish for `drainTimeout` ms, and leaves the group.
   * @returns how many events were still running then; they stay pending
   */
  async stop(drainTimeout: number): Promise<number> {
    await this.#consumer?.stop();
    await this.#drained(drainTimeout);
    const left = this.#running.size;
    if (left === 0 && this.connection.isConnected) {
      // Best effort: an empty consumer costs little.
      await this.#consumer?.leave().catch(() => undefined);
    }
    clearInterval(this.#clockTimer);
    await this.connection.close();
    return left;
  }

  settle(delivery: Delivery): void {
    this.#settler?.add(delivery);
  }

  async answerOriginal({ queued }: Delivery, response?: ServiceEvent): Promise<void> {
    await this.#outcomes.answerOriginal(queued, response);
  }

  deadLetter({ queued }: Delivery, reason: DeadLetterReason, error?: unknown): Promise<void> {
    this.#listener.dropped(queued.event.action, reason, error);
    return this.#bury(queued, reason, error);
  }

  ended(delivery: Delivery, error?: unknown): void {
    this.#running.delete(delivery);
    if (error !== undefined) this.#listener.dropped(delivery.queued.event.action, 'failed', error);
    this.#consumer?.wake();
    if (this.#running.size === 0) this.#idle?.();
  }

  #take(entries: StreamEntry[], asked: number): void {
    const { min, max } = PREFETCH;
    this.#prefetch = entries.length < asked ? Math.max(min, entries.length) : Math.min(2 * asked, max);
    for (const entry of entries) this.#start(entry);
  }

  #start(entry: StreamEntry): void {
    const [id] = entry;
    let queued;
    try {
      queued = readEntry(entry);
    } catch (error) {
      this.#listener.dropped(`entry ${id}`, 'malformed', error);
      this.#bury(malformed(entry), 'malformed', error).catch((failure: unknown) => {
        this.#listener.dropped(`entry ${id}`, 'malformed', failure);
      });
      return;
    }
    if (!queued) {
      this.#outcomes.skip(id).catch((error: unknown) => {
        this.#listener.dropped(`entry ${id}`, 'malformed', error);
      });
      return;
    }
    const delivery = new Delivery(queued, this);
    this.#running.add(delivery);
    if (delivery.deadline > this.#clock.now()) this.#listener.handle(delivery);
    else if (delivery.replyTo === undefined) delivery.deadLetter('expired');
    // Nobody waits for the reply; it finds no listener.
    else delivery.finish();
  }

  async #bury(dead: Dead, reason: DeadLetterReason, error?: unknown): Promise<void> {
    const letter = letterOf(dead, reason, error, this.#consumer?.name ?? '', this.#clock.now());
    await this.#outcomes.deadLetter(dead, letter);
  }

  #drained(timeout: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
