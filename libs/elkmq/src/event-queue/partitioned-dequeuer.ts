import { ConnectionError, DequeueError, EmptyQueueError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import type { TimestampedEvent } from '../model/service-event.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { isTransient } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { withinTime } from '../redis/within-time.js';
import type { RequesterPartition } from '../requests/partitioned-requester.js';
import type { OutcomeWriter } from '../settling/outcome-writer.js';
import type { Dequeuer } from './dequeuer.js';
import { QueueDequeuer } from './queue-dequeuer.js';
import { Waiters } from './waiters.js';

/** One of the partitions, and who takes its events. */
interface Part {
  readonly dequeuer: QueueDequeuer;
  readonly partition: RequesterPartition;
}

/**
 * Takes events out of a queue with partitions, one by one. The partitions are asked in turn, from another one
 * each time. When all are empty, a call waits for the first event of any of them.
 */
export class PartitionedDequeuer implements Dequeuer {
  readonly #queue: string;
  readonly #waiters = new Waiters();
  readonly #parts: readonly Part[];
  /** The number of calls so far. */
  #turn = 0;

  /**
   * @param queue its name, for messages
   * @param writers one for each partition
   */
  constructor(
    source: RedisSource,
    queue: string,
    partitions: readonly RequesterPartition[],
    writers: readonly OutcomeWriter[],
  ) {
    this.#queue = queue;
    this.#parts = partitions.map((partition, index) => {
      const { context } = partition.requester;
      const writer = writers[index] as OutcomeWriter;
      const dequeuer = new QueueDequeuer(source, context, writer, { waiters: this.#waiters, index });
      return { partition, dequeuer };
    });
  }

  /**
   * Takes the next event. A partition that does not answer does not stop the others.
   * @throws {ConnectionError} when no other partition has an event
   */
  async dequeueNow(): Promise<TimestampedEvent | undefined> {
    const { length } = this.#parts;
    const start = this.#turn++;
    let failure: Error | undefined;
    for (let step = 0; step < length; step++) {
      const { dequeuer, partition } = this.#parts[(start + step) % length] as Part;
      if (!partition.watch.isAnswering) {
        failure ??= new ConnectionError(`${this.#nameOf(partition)} does not answer`);
        continue;
      }
      try {
        return await dequeuer.dequeueNow();
      } catch (error) {
        if (error instanceof EmptyQueueError) continue;
        if (!isAway(error)) throw error;
        partition.watch.attemptFailed(error.cause ?? error);
        failure = new ConnectionError(`${this.#nameOf(partition)} does not answer`, { cause: error });
      }
    }
    throw failure ?? new EmptyQueueError(`no event is waiting in the queue ${formatValue(this.#queue)}`);
  }

  /** Takes the next event, and waits for one. A read of a partition waits in each of them meanwhile. */
  async dequeueBy(deadline: number): Promise<TimestampedEvent | undefined> {
    // Reads that wait would all bring an event where many are there, and all but one would have to go back.
    try {
      return await this.dequeueNow();
    } catch (error) {
      const isWorthWaiting = error instanceof EmptyQueueError || error instanceof ConnectionError;
      if (!isWorthWaiting || this.#isClosed()) throw error;
    }
    for (const { dequeuer } of this.#parts) dequeuer.join();
    const { entry, partition } = await this.#waiters.next(deadline, () => this.#isAnyAway());
    return (this.#parts[partition] as Part).dequeuer.dequeueEntry(entry);
  }

  giveUp(error: Error): void {
    this.#waiters.failAll(error);
  }

  /** Closes the dequeuers of all partitions. One that Redis does not answer is given up after 10 seconds. */
  async closeDequeuer(): Promise<void> {
    const closed = Promise.all(this.#parts.map(({ dequeuer }) => dequeuer.closeDequeuer()));
    closed.catch(() => undefined);
    await withinTime(closed, 2 * COMMAND_TIMEOUT_MS, []);
  }

  #isAnyAway(): boolean {
    return this.#parts.some(
      ({ partition: { requester, watch } }) => !watch.isAnswering || !requester.connection.isConnected,
    );
  }

  #isClosed(): boolean {
    return this.#parts.some(({ partition }) => partition.requester.connection.status === 'closed');
  }

  #nameOf({ requester }: RequesterPartition): string {
    return `the partition '${requester.context.keys.queue}'`;
  }
}

/** Whether the partition does not answer, or answers that it will do so later. */
function isAway(error: unknown): error is ConnectionError | DequeueError {
  return error instanceof ConnectionError || (error instanceof DequeueError && isTransient(error.cause));
}
