import type { QueueContext } from '../context/queue-context.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { ConnectionError, DequeueError } from '../model/errors.js';
import type { Cleaning, EntryArbiter } from '../legacy/bridge.js';
import { GroupConsumer, joinGroup, type Intake } from '../consumer/group-consumer.js';
import { DEFAULTS } from '../model/options.js';
import { isNoGroup, isTransient } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { Waiters } from './waiters.js';

/**
 * Takes entries one by one, at once or as soon as one comes. Calls that wait share one blocking read. The
 * dequeuers of all partitions of a queue share the calls.
 */
export class EntryReader {
  readonly #context: QueueContext;
  readonly #consumer: GroupConsumer;
  readonly #cleaning: Cleaning;
  readonly #arbiter: EntryArbiter;
  readonly #waiters: Waiters;
  /** The number of its partition, 0 when there are none. Dequeuers begin to read in any order. */
  readonly #partition: number;

  constructor(source: RedisSource, context: QueueContext, waiters = new Waiters(), partition = 0) {
    this.#context = context;
    this.#waiters = waiters;
    this.#partition = partition;
    waiters.addReader(() => {
      this.#consumer.wakeReader();
    });
    const { legacy } = context;
    this.#consumer = new GroupConsumer(source, context, DEFAULTS.lease);
    // Nobody is there to notify. Everything that is left stays, and is looked at again.
    this.#cleaning = legacy.cleanForConsumer();
    this.#arbiter = legacy.openArbiter({
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
      grantCredit: (arriving) => this.#waiters.share - this.#arbiter.size - arriving,
      maxWaitMs: () => this.#waiters.timeoutMs,
      takeEntries: (entries, _asked, { consumer }) => {
        const contested = entries.filter((entry) => legacy.isContested(entry));
        if (contested.length > 0) this.#arbiter.decideEntries(contested, consumer);
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
      if (await this.#arbiter.isWon(entry, this.#consumer.directName)) return entry;
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
    const { connection } = this.#context;
    return (await this.#waiters.next(deadline, () => !connection.isConnected)).entry;
  }

  /** Ends the calls that wait, and leaves the group. */
  async closeReader(): Promise<void> {
    this.giveUp(new ConnectionError('the queue was closed'));
    await this.#cleaning.stopCleaning();
    await this.#consumer.stopReading();
    await this.#arbiter.stopDeciding();
    await this.#consumer.leaveGroup();
    await this.#cleaning.clearList();
  }

  /** Fails the calls that wait. */
  giveUp(error: Error): void {
    this.#waiters.failAll(error);
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
    // The callers of the remaining entries have given up meanwhile, or another partition has served them.
    void this.#consumer.handBack(this.#waiters.serve(entries, this.#partition));
  }
}
