import { randomInt } from 'node:crypto';
import type { QueueKeys } from '../model/keys.js';
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
    const partition = this.#turn++ % this.#producers.length;
    const origin = await (this.#producers[partition] as AdminProducer).enqueue(event, options);
    return formatPartitionedId(partition, origin);
  }

  async close(): Promise<void> {
    await Promise.all(this.#producers.map((producer) => producer.close()));
  }
}
