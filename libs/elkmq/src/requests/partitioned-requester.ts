import { randomBytes } from 'node:crypto';
import { partitionKeys } from '../model/partitions.js';
import { reportOnce } from '../model/report-once.js';
import type { ServiceEvent } from '../model/service-event.js';
import { SendBuffer } from '../producer/send-buffer.js';
import { warnOfFullCoverage } from '../redis/check.js';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import { withinTime } from '../redis/within-time.js';
import { PartitionNumber } from '../redis/partition-check.js';
import type { RedisSource } from '../redis/redis-source.js';
import { PartitionChoice } from './partition-choice.js';
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
 * The client's side of a queue with partitions: a `Requester` for each of them, over one connection.
 * `PartitionChoice` says to which of them a message goes.
 */
export class PartitionedRequester {
  readonly clientId = randomBytes(12).toString('base64url');
  readonly connection: Connection;
  readonly partitions: readonly RequesterPartition[];
  readonly #choice: PartitionChoice<RequesterPartition>;
  /** The time that a message may take to be stored, ms. */
  readonly #timeoutMs: number;
  readonly #maxPayloadBytes: number;

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
    this.#timeoutMs = options.enqueueTimeout;
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
    this.#choice = new PartitionChoice(this.partitions, clientId);
  }

  /** Stores an event, as `Requester.enqueue` does. */
  enqueue(event: ServiceEvent, options: MessageOptions = {}): Promise<string> {
    return this.#choice.ofEvent(options).requester.enqueue(event, options);
  }

  /** Stores an event, as `Requester.store` does. */
  store(
    event: ServiceEvent,
    options: MessageOptions,
    stored: (id: string) => void,
    failed: (error: Error) => void,
  ): void {
    this.#choice.ofEvent(options).requester.store(event, options, stored, failed);
  }

  /** Stores a request, as `Requester.request` does. */
  request(
    event: ServiceEvent,
    timeout: number,
    listener: ReplyListener,
    options: MessageOptions = {},
  ): () => void {
    return this.#choice.ofRequest(options).requester.request(event, timeout, listener, options);
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
    await withinTime(closed, this.#timeoutMs + COMMAND_TIMEOUT_MS, []);
    await this.connection.closeConnection();
  }
}
