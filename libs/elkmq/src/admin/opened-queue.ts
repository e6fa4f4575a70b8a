import { QueueDeadLetters } from '../dead-letters/queue-dead-letters.js';
import type { QueueKeys } from '../model/keys.js';
import type { AdminContext } from './admin-call.js';
import type { QueueProducer } from './admin-producer.js';
import { MessageChanges, type QueueChange, type QueueChanges } from './message-changes.js';
import type { QueueReader } from './message-page.js';
import { MessageReader } from './message-reader.js';
import { keysOfPartitions, readPartitionNumber } from './partition-number.js';
import { changeOfPartition, PartitionedChanges } from './partitioned-changes.js';
import { contextsOf, producerOf } from './partitioned-producer.js';
import { PartitionedReader } from './partitioned-reader.js';

/** The parts of an admin that know whether the queue has partitions. */
export interface OpenedQueue {
  /** One for each partition. Without partitions: the queue itself. */
  readonly partitions: readonly AdminContext[];
  /** The keys of each. */
  readonly keys: readonly QueueKeys[];
  readonly reader: QueueReader;
  readonly changes: QueueChanges;
  readonly producer: QueueProducer;
}

/** Makes the parts of an admin. They use nothing until they are called. */
function openQueue(
  partitions: readonly AdminContext[],
  isCluster: boolean,
  audit: (change: QueueChange) => void,
): OpenedQueue {
  const [first] = partitions;
  const isPartitioned = partitions.length > 1;
  const parts = partitions.map((context, partition) => {
    const { connection, keys, timeoutMs } = context;
    const letters = new QueueDeadLetters(connection, keys, timeoutMs);
    const announce = (change: QueueChange): void => {
      audit(isPartitioned ? changeOfPartition(first?.keys.queue ?? '', partition, change) : change);
    };
    return {
      reader: new MessageReader(context, letters),
      changes: new MessageChanges(context, letters, isCluster, announce),
    };
  });
  const [only] = parts;
  const common = { partitions, keys: partitions.map(({ keys }) => keys), producer: producerOf(partitions) };
  if (only && !isPartitioned) return { ...common, ...only };
  return {
    ...common,
    reader: new PartitionedReader(parts.map(({ reader }) => reader)),
    changes: new PartitionedChanges(parts.map(({ changes }) => changes)),
  };
}

/** While a queue has no partitions, its number is read again after this time, ms. */
const NUMBER_AGE_MS = 5_000;

/** Finds out whether a queue has partitions, and opens it. */
export class QueueOpener {
  readonly #context: AdminContext;
  readonly #isCluster: boolean;
  readonly #audit: (change: QueueChange) => void;
  #queue: OpenedQueue;
  #isKnown: boolean;
  #askedAtMs = -Infinity;

  /** @param partitions their number, if it is given */
  constructor(
    context: AdminContext,
    isCluster: boolean,
    partitions: number | undefined,
    audit: (change: QueueChange) => void,
  ) {
    this.#context = context;
    this.#isCluster = isCluster;
    this.#audit = audit;
    this.#queue = this.#make(partitions);
    this.#isKnown = partitions !== undefined;
  }

  /** @param timeoutMs the time that Redis may take, ms */
  async open(timeoutMs: number): Promise<OpenedQueue> {
    const { connection, keys } = this.#context;
    if (this.#isKnown || performance.now() - this.#askedAtMs < NUMBER_AGE_MS) return this.#queue;
    const partitions = await readPartitionNumber(connection, keys, timeoutMs);
    this.#askedAtMs = performance.now();
    if (partitions !== undefined) await this.#reopen(partitions);
    return this.#queue;
  }

  async closeProducer(): Promise<void> {
    await this.#queue.producer.close();
  }

  async #reopen(partitions: number): Promise<void> {
    if (this.#isKnown) return;
    const { producer } = this.#queue;
    this.#queue = this.#make(partitions);
    this.#isKnown = true;
    await producer.close();
  }

  #make(partitions: number | undefined): OpenedQueue {
    const keys = keysOfPartitions(this.#context.keys.queue, this.#isCluster, partitions);
    return openQueue(contextsOf(this.#context, keys), this.#isCluster, this.#audit);
  }
}
