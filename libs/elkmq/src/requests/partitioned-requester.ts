import { randomBytes } from 'node:crypto';
import { partitionKeys, partitionOf } from '../model/partitions.js';
import { reportOnce } from '../model/report-once.js';
import type { ServiceEvent } from '../model/service-event.js';
import { SendBuffer } from '../producer/send-buffer.js';
import { warnOfFullCoverage } from '../redis/check.js';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import { withinTime } from '../redis/within-time.js';
import { PartitionNumber } from '../redis/partition-check.js';
import type { RedisSource } from '../redis/redis-source.js';
import { PartitionWatch } from './partition-watch.js';
import { Requester } from './requester.js';
import { encodeWithin } from './sender-check.js';
import type { MessageOptions, RequesterOptions } from './requester-options.js';
import type { ReplyListener } from './waiting-request.js';

/** One of the partitions, and whether it answers. */
export interface RequesterPartition {
  readonly requester: Requester;
  readonly watch: PartitionWatch;
}

/**
 * The client's side of a queue with partitions: a `Requester` for each of them, over one connection. A
 * message goes to the partition of its ordering key, or else to that of its deduplication key. Of the
 * others, events take turns by batch, and requests go to the home of this client, so it reads one inbox. A
 * partition that does not answer is left out for new messages without a key.
 */
export class PartitionedRequester {
  readonly clientId = randomBytes(12).toString('base64url');
  readonly connection: Connection;
  readonly partitions: readonly RequesterPartition[];
  readonly #home: number;
  /** The time that a message may take to be stored, ms. */
  readonly #patience: number;
  /** The number of batches of events so far. */
  #batches: number;
  readonly #maxPayloadBytes: number;
  /** The partition of the events of this tick. */
  #current: RequesterPartition | undefined;
  readonly #endBatch = (): void => {
    this.#current = undefined;
  };

  /**
   * @param queue the name of the queue
   * @param partitions their number
   * @throws {InvalidOptionError} when a queue with this name can have no partitions
   */
  constructor(
    source: RedisSource,
    queue: string,
    partitions: number,
    options: RequesterOptions,
    listener: ConnectionListener = {},
  ) {
    const allKeys = partitionKeys(queue, partitions, source.isCluster);
    const warned = reportOnce((message) => listener.warned?.(message));
    this.connection = new Connection(source, COMMAND_TIMEOUT_MS, {
      status: (status) => {
        if (status === 'connected') void warnOfFullCoverage(this.connection.client, warned);
        listener.status?.(status);
      },
      error: (error) => listener.error?.(error),
    });
    const { connection, clientId } = this;
    const number = new PartitionNumber(allKeys);
    const buffer = new SendBuffer(options.maxBufferedBytes);
    const { maxQueueLength } = options;
    this.#patience = options.enqueueTimeout;
    this.#maxPayloadBytes = options.maxPayloadBytes;
    const each: RequesterOptions = {
      ...options,
      maxQueueLength: maxQueueLength && Math.ceil(maxQueueLength / partitions),
    };
    this.partitions = allKeys.map((keys) => {
      const watch = new PartitionWatch(connection, keys);
      const shared = { clientId, connection, number, buffer: buffer.newPart(), watch };
      const reports = { error: (error: Error) => listener.error?.(error), warned };
      return { watch, requester: new Requester(source, keys, each, reports, shared) };
    });
    this.#home = partitionOf(clientId, partitions);
    this.#batches = this.#home;
  }

  /** Stores an event, as `Requester.enqueue` does. */
  enqueue(event: ServiceEvent, options: MessageOptions = {}): Promise<string> {
    return this.#forEvent(options).enqueue(event, options);
  }

  /** Stores an event, as `Requester.store` does. */
  store(
    event: ServiceEvent,
    options: MessageOptions,
    stored: (id: string) => void,
    failed: (error: Error) => void,
  ): void {
    this.#forEvent(options).store(event, options, stored, failed);
  }

  /** Stores a request, as `Requester.request` does. */
  request(
    event: ServiceEvent,
    timeout: number,
    listener: ReplyListener,
    options: MessageOptions = {},
  ): () => void {
    const requester = this.#ofKey(options) ?? this.#answeringFrom(this.#home).requester;
    return requester.request(event, timeout, listener, options);
  }

  /**
   * Resolves when connected.
   * @throws {ConnectionError} also when Redis is too old, or refuses what sending needs
   * @throws {InvalidOptionError} when the queue has another number of partitions
   */
  async connect(): Promise<void> {
    await Promise.all(this.partitions.map(({ requester }) => requester.connect()));
  }

  /** Resolves when connected, as `Requester.connectToTake` does. */
  async connectToTake(): Promise<void> {
    // Each partition would check the same Redis, and the number of all partitions.
    await this.partitions[0]?.requester.connectToTake();
  }

  /**
   * The JSON of `event`.
   * @throws {PayloadTooLargeError}
   */
  encode(event: ServiceEvent): string {
    return encodeWithin(event, this.#maxPayloadBytes);
  }

  /** Closes all partitions, as `Requester.close` does, and in the same time. */
  async close(error: Error): Promise<void> {
    const closed = Promise.all(this.partitions.map(({ requester }) => requester.close(error)));
    closed.catch(() => undefined);
    await withinTime(closed, this.#patience + COMMAND_TIMEOUT_MS, []);
    await this.connection.closeConnection();
  }

  /** The partition of a message that has a key. */
  #ofKey({ orderingKey, deduplication }: MessageOptions): Requester | undefined {
    const key = orderingKey ?? deduplication?.key;
    if (key === undefined) return undefined;
    return this.partitions[partitionOf(key, this.partitions.length)]?.requester;
  }

  #forEvent(options: MessageOptions): Requester {
    const keyed = this.#ofKey(options);
    if (keyed) return keyed;
    if (!this.#current) {
      this.#current = this.#answeringFrom(this.#batches++);
      setImmediate(this.#endBatch);
    }
    return this.#current.requester;
  }

  /** The first partition that answers, from this one on; this one when none does. */
  #answeringFrom(start: number): RequesterPartition {
    const { length } = this.partitions;
    for (let step = 0; step < length; step++) {
      const partition = this.partitions[(start + step) % length] as RequesterPartition;
      if (partition.watch.isAnswering) return partition;
    }
    return this.partitions[start % length] as RequesterPartition;
  }
}
