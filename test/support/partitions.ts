import type { Cluster } from 'ioredis';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { partitionNames } from '../../libs/elkmq/src/model/partitions.js';
import type { Letter } from './dead-letters.js';
import { newQueueName } from './queue.js';

/** A queue of a Cluster with partitions, whose number is registered. */
export class PartitionedQueue {
  readonly name = newQueueName();
  readonly keys: readonly QueueKeys[];

  private constructor(
    readonly cluster: Cluster,
    partitions: number,
  ) {
    this.keys = partitionNames(this.name, partitions).map((name) => new QueueKeys(name, true));
  }

  static async register(cluster: Cluster, partitions: number): Promise<PartitionedQueue> {
    const queue = new PartitionedQueue(cluster, partitions);
    for (const keys of queue.keys) await cluster.set(keys.partitions, partitions);
    return queue;
  }

  keysOf(partition: number): QueueKeys {
    return this.keys[partition] as QueueKeys;
  }

  /** Adds an event that was stored at a time. @returns its id, with its partition */
  async addWaiting(partition: number, ms: number, payload: unknown): Promise<string> {
    const id = await this.cluster.xadd(this.keysOf(partition).eventStream, `${ms}-0`, ...fieldsOf(payload));
    return `${partition}:${String(id)}`;
  }

  /** Adds an event that is due at a time. @returns its id, with its partition */
  async addDelayed(partition: number, dueAt: number, payload: unknown): Promise<string> {
    const { delayed, delayedBodies } = this.keysOf(partition);
    const origin = `${dueAt - 1_000}-0`;
    await this.cluster.hset(delayedBodies, origin, JSON.stringify(fieldsOf(payload)));
    await this.cluster.zadd(delayed, dueAt, origin);
    return `${partition}:${origin}`;
  }

  /** @returns its id, with its partition */
  async addLetter(partition: number, letter: Letter): Promise<string> {
    const { deadLetters, deadLetterBodies } = this.keysOf(partition);
    await this.cluster.hset(deadLetterBodies, letter.origin, JSON.stringify(letter));
    await this.cluster.zadd(deadLetters, letter.lastAt, letter.origin);
    return `${partition}:${letter.origin}`;
  }

  /** The number of entries in the stream of each partition. */
  async lengths(): Promise<number[]> {
    return Promise.all(this.keys.map(({ eventStream }) => this.cluster.xlen(eventStream)));
  }
}

function fieldsOf(payload: unknown): string[] {
  const event = {
    request_uuid: 1,
    timeout: 65_535,
    action: 'order.placed',
    payload: JSON.stringify(payload),
  };
  return ['event', JSON.stringify(event), 'reply_to', ''];
}
