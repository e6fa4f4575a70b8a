import type { DeadLetterFilter } from '../dead-letters/filter.js';
import { isById, type QueueChange, type QueueChanges } from './message-changes.js';
import { sumOfMoves, type MoveResult } from './move-result.js';
import { formatPartitionedId, parsePartitionedId } from './partitioned-id.js';
import type { MessageState } from './queue-message.js';

/** Changes the messages of a queue with partitions. An id names its partition. */
export class PartitionedChanges implements QueueChanges {
  readonly #partitions: readonly QueueChanges[];

  constructor(partitions: readonly QueueChanges[]) {
    this.#partitions = partitions;
  }

  async remove(which: string | readonly string[]): Promise<number> {
    return sum(await this.#changeById(which, (changes, ids) => changes.remove(ids)));
  }

  async runNow(which: string | readonly string[]): Promise<number> {
    return sum(await this.#changeById(which, (changes, ids) => changes.runNow(ids)));
  }

  async retry(which: string | readonly string[] | DeadLetterFilter): Promise<number> {
    const counts = isById(which)
      ? this.#changeById(which, (changes, ids) => changes.retry(ids))
      : this.#changeAll((changes) => changes.retry(which));
    return sum(await counts);
  }

  async move(which: string | readonly string[] | DeadLetterFilter, to: string): Promise<MoveResult> {
    const results = isById(which)
      ? this.#changeById(which, (changes, ids) => changes.move(ids, to), true)
      : this.#changeAll((changes) => changes.move(which, to));
    return sumOfMoves(await results);
  }

  async purge(state: MessageState): Promise<number> {
    return sum(await this.#changeAll((changes) => changes.purge(state)));
  }

  /** @param isForAll whether a partition without such ids has something to do too */
  async #changeById<T>(
    which: string | readonly string[],
    change: (changes: QueueChanges, ids: readonly string[]) => Promise<T>,
    isForAll = false,
  ): Promise<T[]> {
    const ids = this.#partitions.map((): string[] => []);
    for (const each of [which].flat()) {
      const { partition, id } = parsePartitionedId('id', each, this.#partitions.length);
      ids[partition]?.push(id);
    }
    const chosen = await this.#changeAll((changes, partition) => {
      const some = ids[partition] ?? [];
      return some.length === 0 && !isForAll ? Promise.resolve(undefined) : change(changes, some);
    });
    return chosen.filter((result) => result !== undefined);
  }

  /** Changes all partitions at once. A partition that fails does not stop the others. */
  async #changeAll<T>(change: (changes: QueueChanges, partition: number) => Promise<T>): Promise<T[]> {
    const results = await Promise.allSettled(this.#partitions.map(change));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }
}

/** The change of one partition, as a change of its queue. */
export function changeOfPartition(queue: string, partition: number, change: QueueChange): QueueChange {
  const { target } = change;
  const ids = Array.isArray(target)
    ? (target as readonly string[]).map((id) => formatPartitionedId(partition, id))
    : target;
  return { ...change, queue, partition, target: ids };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
