import { partitionOf } from '../model/partitions.js';
import type { MessageOptions } from './requester-options.js';
import type { PartitionWatch } from './partition-watch.js';

/** One of the partitions, and whether it answers. */
interface WatchedPartition {
  readonly watch: PartitionWatch;
}

/**
 * Chooses the partition of each message. The ordering key decides, or else the deduplication key. Events
 * without a key take turns by batch. A partition that does not answer is left out for new messages without a
 * key.
 */
export class PartitionChoice<Partition extends WatchedPartition> {
  readonly #partitions: readonly Partition[];
  readonly #home: number;
  /** The number of batches of events so far. */
  #batches: number;
  /** The partition of the events of this tick. */
  #current: Partition | undefined;
  readonly #endBatch = (): void => {
    this.#current = undefined;
  };

  /** @param clientId leads to the home, where the first batch goes */
  constructor(partitions: readonly Partition[], clientId: string) {
    this.#partitions = partitions;
    this.#home = partitionOf(clientId, partitions.length);
    this.#batches = this.#home;
  }

  /** The partition of an event. */
  ofEvent(options: MessageOptions): Partition {
    const keyed = this.#ofKey(options);
    if (keyed) return keyed;
    if (!this.#current) {
      this.#current = this.#answeringFrom(this.#batches++);
      setImmediate(this.#endBatch);
    }
    return this.#current;
  }

  /** The partition of a request: without a key the home, so a client reads one inbox. */
  ofRequest(options: MessageOptions): Partition {
    return this.#ofKey(options) ?? this.#answeringFrom(this.#home);
  }

  #ofKey({ orderingKey, deduplication }: MessageOptions): Partition | undefined {
    const key = orderingKey ?? deduplication?.key;
    if (key === undefined) return undefined;
    return this.#partitions[partitionOf(key, this.#partitions.length)];
  }

  /** The first partition that answers, from this one on; this one when none does. */
  #answeringFrom(start: number): Partition {
    const { length } = this.#partitions;
    for (let step = 0; step < length; step++) {
      const partition = this.#partitions[(start + step) % length] as Partition;
      if (partition.watch.isAnswering) return partition;
    }
    return this.#partitions[start % length] as Partition;
  }
}
