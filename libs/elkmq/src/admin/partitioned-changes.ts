import type { DeadLetterFilter } from '../dead-letters/filter.js';
import type { QueueChange, QueueChanges } from './message-changes.js';
import { formatPartitionedId, parsePartitionedId } from './partitioned-id.js';
import type { MessageState } from './queue-message.js';

/** Changes the messages of a queue with partitions. An id names its partition. */
export class PartitionedChanges implements QueueChanges {
  readonly #partitions: readonly QueueChanges[];

  constructor(partitions: readonly QueueChanges[]) {
    this.#partitions = partitions;
  }

  async remove(which: string | readonly string[]): Promise<number> {
    return this.#changeById(which, (changes, ids) => changes.remove(ids));
  }

  async runNow(which: string | readonly string[]): Promise<number> {
    return this.#changeById(which, (changes, ids) => changes.runNow(ids));
  }

  async retry(which: string | readonly string[] | DeadLetterFilter): Promise<number> {
    return isById(which)
      ? this.#changeById(which, (changes, ids) => changes.retry(ids))
      : this.#changeAll((changes) => changes.retry(which));
  }

  async move(which: string | readonly string[] | DeadLetterFilter, to: string): Promise<number> {
    return isById(which)
      ? this.#changeById(which, (changes, ids) => changes.move(ids, to))
      : this.#changeAll((changes) => changes.move(which, to));
  }

  async purge(state: MessageState): Promise<number> {
    return this.#changeAll((changes) => changes.purge(state));
  }

  async #changeById(
    which: string | readonly string[],
    change: (changes: QueueChanges, ids: readonly string[]) => Promise<number>,
  ): Promise<number> {
    const ids = this.#partitions.map((): string[] => []);
    for (const each of [which].flat()) {
      const { partition, id } = parsePartitionedId('id', each, this.#partitions.length);
      ids[partition]?.push(id);
    }
    return this.#changeAll((changes, partition) => {
      const some = ids[partition] ?? [];
      return some.length === 0 ? Promise.resolve(0) : change(changes, some);
    });
  }

  /** Changes all partitions at once. A partition that fails does not stop the others. */
  async #changeAll(change: (changes: QueueChanges, partition: number) => Promise<number>): Promise<number> {
    const results = await Promise.allSettled(this.#partitions.map(change));
    let count = 0;
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      count += result.value;
    }
    return count;
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

function isById(which: string | readonly string[] | DeadLetterFilter): which is string | readonly string[] {
  return typeof which === 'string' || Array.isArray(which);
}
