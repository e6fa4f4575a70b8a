import type { StreamEntry } from './blocking-reader.js';
import type { Connection } from './connection.js';
import { ConnectionError, DequeueError, EmptyQueueError } from './errors.js';
import { GroupConsumer, joinGroup } from './group-consumer.js';
import type { QueueKeys } from './keys.js';
import { isNoGroup, isTransient } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';

/** What this reader takes is settled at once; a recoverer may take it away after as long as this, ms. */
const LEASE = 30_000;
/** What a timer can wait, ms. Who would wait longer waits for ever. */
const LONGEST_TIMER = 2 ** 31 - 1;

interface Waiter {
  /** `performance.now()` at which it gives up. */
  readonly deadline: number;
  take(entry: StreamEntry): void;
  fail(error: Error): void;
}

/** Takes entries one by one, at once or as soon as one comes; calls that wait share one blocking read. */
export class QueueReader {
  readonly #consumer: GroupConsumer;
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #waiting: Waiter[] = [];

  constructor(source: RedisSource, keys: QueueKeys, connection: Connection) {
    this.#connection = connection;
    this.#keys = keys;
    const intake = {
      credit: () => this.#waiting.length,
      patience: () => Math.min(...this.#waiting.map(({ deadline }) => deadline)) - performance.now(),
      take: (entries: StreamEntry[]) => {
        this.#take(entries);
      },
    };
    this.#consumer = new GroupConsumer(source, keys, connection, intake, LEASE, (error) => {
      // Whoever waits would wait in vain.
      if (error instanceof DequeueError && !isTransient(error.cause)) this.#fail(error);
    });
  }

  /** What the names of its consumers begin with. */
  get worker(): string {
    return this.#consumer.worker;
  }

  /** The next entry, if one is waiting. */
  async next(): Promise<StreamEntry | undefined> {
    try {
      return await this.#consumer.readOne();
    } catch (error) {
      if (!isNoGroup(error)) throw error;
      await joinGroup(this.#connection, this.#keys);
      return this.#consumer.readOne();
    }
  }

  /**
   * The next entry, as soon as there is one.
   * @param deadline `performance.now()` at which to give up; `Infinity` for never
   * @throws {EmptyQueueError} when none has come by then
   * @throws {ConnectionError} when Redis is away by then
   * @throws {DequeueError} when Redis refuses for good
   */
  async nextBy(deadline: number): Promise<StreamEntry> {
    return new Promise((resolve, reject) => {
      const patience = deadline - performance.now();
      const timer = patience <= LONGEST_TIMER ? setTimeout(giveUp, Math.max(patience, 1)) : undefined;
      const waiter: Waiter = {
        deadline,
        take: (entry) => {
          clearTimeout(timer);
          resolve(entry);
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const waiting = this.#waiting;
      const connection = this.#connection;
      waiting.push(waiter);
      this.#consumer.wake();
      function giveUp(): void {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(
          connection.isConnected
            ? new EmptyQueueError('no event came in time')
            : new ConnectionError('Redis was away when the time was up'),
        );
      }
    });
  }

  /** Ends the calls that wait, and leaves the group. */
  async close(): Promise<void> {
    this.#fail(new ConnectionError('the queue was closed'));
    await this.#consumer.stop();
    await this.#consumer.leave();
  }

  #fail(error: Error): void {
    for (const waiter of this.#waiting.splice(0)) waiter.fail(error);
  }

  #take(entries: StreamEntry[]): void {
    const served = this.#waiting.splice(0, entries.length);
    for (const [index, waiter] of served.entries()) waiter.take(entries[index] as StreamEntry);
    // Those who asked for them have given up meanwhile.
    this.#consumer.handBack(entries.slice(served.length));
  }
}
