import type { QueueContext } from '../context/queue-context.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { ConnectionError, DequeueError, EmptyQueueError } from '../model/errors.js';
import type { Cleaning, Contest } from '../legacy/bridge.js';
import { GroupConsumer, joinGroup, type Intake } from '../consumer/group-consumer.js';
import { DEFAULTS } from '../model/options.js';
import { Deadline } from '../redis/deadline.js';
import { isNoGroup, isTransient } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';

interface Waiter {
  /** The `performance.now()` at which it gives up. */
  readonly deadline: number;
  take(entry: StreamEntry): void;
  fail(error: Error): void;
}

/** Takes entries one by one, at once or as soon as one comes. Calls that wait share one blocking read. */
export class Dequeuer {
  readonly #context: QueueContext;
  readonly #consumer: GroupConsumer;
  readonly #cleaning: Cleaning;
  readonly #contest: Contest;
  readonly #waiting: Waiter[] = [];

  constructor(source: RedisSource, context: QueueContext) {
    this.#context = context;
    const { legacy } = context;
    this.#consumer = new GroupConsumer(source, context, DEFAULTS.lease);
    // Nobody is there to notify. Everything that is left stays, and is looked at again.
    this.#cleaning = legacy.cleanForConsumer();
    this.#contest = legacy.openContest({
      won: (entry) => {
        this.#serve([entry]);
      },
      putBack: (entries) => this.#consumer.handBack(entries),
      decided: () => {
        this.#consumer.wakeReader();
      },
      failed: (error) => {
        this.giveUp(error as Error);
      },
    });
    const intake: Intake = {
      grantCredit: (arriving) => this.#waiting.length - this.#contest.size - arriving,
      maxWaitMs: () => Math.min(...this.#waiting.map(({ deadline }) => deadline)) - performance.now(),
      takeEntries: (entries, _asked, { consumer }) => {
        const contested = entries.filter((entry) => legacy.isContested(entry));
        if (contested.length > 0) this.#contest.decideEntries(contested, consumer);
        this.#serve(contested.length === 0 ? entries : entries.filter((entry) => !contested.includes(entry)));
      },
      readFailed: (error) => {
        // Redis refuses for good, so the calls would wait in vain.
        if (error instanceof DequeueError && !isTransient(error.cause)) this.giveUp(error);
      },
    };
    this.#consumer.startReading(intake);
  }

  /** The first part of the names of its consumers. */
  get worker(): string {
    return this.#consumer.worker;
  }

  /** Takes the next entry, if one is waiting. */
  async next(): Promise<StreamEntry | undefined> {
    for (;;) {
      const entry = await this.#readOne();
      if (!entry || !this.#context.legacy.isContested(entry)) return entry;
      if (await this.#contest.isWon(entry, this.#consumer.directName)) return entry;
    }
  }

  /**
   * Takes the next entry as soon as there is one.
   * @param deadline `performance.now()` at which to give up; `Infinity` for never
   * @throws {EmptyQueueError} when none has come by then
   * @throws {ConnectionError} when Redis is away by then
   * @throws {DequeueError} when Redis refuses for good
   */
  async nextBy(deadline: number): Promise<StreamEntry> {
    return new Promise((resolve, reject) => {
      const patience = deadline - performance.now();
      const timeout = patience === Infinity ? undefined : new Deadline(Math.max(patience, 1), giveUp);
      const waiter: Waiter = {
        deadline,
        take: (entry) => {
          timeout?.stop();
          resolve(entry);
        },
        fail: (error) => {
          timeout?.stop();
          reject(error);
        },
      };
      const waiting = this.#waiting;
      const connection = this.#context.connection;
      waiting.push(waiter);
      this.#consumer.wakeReader();
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
  async closeReader(): Promise<void> {
    this.giveUp(new ConnectionError('the queue was closed'));
    await this.#cleaning.stopCleaning();
    await this.#consumer.stopReading();
    await this.#contest.stopDeciding();
    await this.#consumer.leaveGroup();
    await this.#cleaning.clearList();
  }

  /** Fails the calls that wait. */
  giveUp(error: Error): void {
    for (const waiter of this.#waiting.splice(0)) waiter.fail(error);
  }

  async #readOne(): Promise<StreamEntry | undefined> {
    try {
      return await this.#consumer.readOne();
    } catch (error) {
      if (!isNoGroup(error)) throw error;
      await joinGroup(this.#context);
      return this.#consumer.readOne();
    }
  }

  #serve(entries: StreamEntry[]): void {
    const served = this.#waiting.splice(0, entries.length);
    for (const [index, waiter] of served.entries()) waiter.take(entries[index] as StreamEntry);
    // The callers of the remaining entries have given up meanwhile.
    void this.#consumer.handBack(entries.slice(served.length));
  }
}
