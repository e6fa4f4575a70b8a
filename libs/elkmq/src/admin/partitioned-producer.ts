import { randomInt } from 'node:crypto';
import type { Deduplication } from '../model/deduplication.js';
import type { QueueKeys } from '../model/keys.js';
import { partitionOf } from '../model/partitions.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { AdminContext } from './admin-call.js';
import { AdminProducer, type EnqueueOptions, type QueueProducer } from './admin-producer.js';
import { formatPartitionedId } from './partitioned-id.js';

/** The same connection for each of the partitions. */
export function contextsOf(
  context: Omit<AdminContext, 'keys'>,
  partitions: readonly QueueKeys[],
): AdminContext[] {
  return partitions.map((keys) => ({ ...context, keys }));
}

/** Makes the producer of a queue with these partitions. */
export function producerOf(partitions: readonly AdminContext[]): QueueProducer {
  const [only, ...others] = partitions.map((context) => new AdminProducer(context));
  return only && others.length === 0 ? only : new PartitionedProducer(only ? [only, ...others] : others);
}

/** Stores the events of an admin in a queue with partitions. An id that it returns names the partition. */
class PartitionedProducer implements QueueProducer {
  readonly #producers: readonly AdminProducer[];
  #turn: number;

  constructor(producers: readonly AdminProducer[]) {
    this.#producers = producers;
    // Many admins store one event only: not all of them in partition 0.
    this.#turn = randomInt(producers.length);
  }

  async enqueue(event: ServiceEvent, options: EnqueueOptions): Promise<string> {
    return this.#use(this.#next(), (producer) => producer.enqueue(event, options));
  }

  /** The ordering key decides the partition, else the deduplication key. */
  async store(
    event: ServiceEvent,
    fields: readonly string[],
    delay: number,
    deduplication: Deduplication | undefined,
  ): Promise<string> {
    const [name, value] = fields;
    const key = name === 'ordering_key' ? value : deduplication?.key;
    const partition = key === undefined ? this.#next() : partitionOf(key, this.#producers.length);
    return this.#use(partition, (producer) => producer.store(event, fields, delay, deduplication));
  }

  async close(): Promise<void> {
    await Promise.all(this.#producers.map((producer) => producer.close()));
  }

  #next(): number {
    return this.#turn++ % this.#producers.length;
  }

  async #use(partition: number, store: (producer: AdminProducer) => Promise<string>): Promise<string> {
    const origin = await store(this.#producers[partition] as AdminProducer);
    return formatPartitionedId(partition, origin);
  }
}
