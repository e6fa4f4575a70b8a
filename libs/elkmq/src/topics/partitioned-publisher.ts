import { randomBytes } from 'node:crypto';
import { reportOnce } from '../model/report-once.js';
import type { ServiceEvent } from '../model/service-event.js';
import { topicPartitions, type TopicKeys } from '../model/topic-keys.js';
import { SendBuffer } from '../producer/send-buffer.js';
import { warnOfFullCoverage } from '../redis/check.js';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import { withinTime } from '../redis/within-time.js';
import { PartitionChoice } from '../requests/partition-choice.js';
import { PartitionWatch } from '../requests/partition-watch.js';
import type { MessageOptions } from '../requests/requester-options.js';
import { newUnroutedSummary, type PublisherOptions } from './publisher-options.js';
import { TopicPublisher } from './publisher.js';
import { requestRefused } from './topic-errors.js';
import { topicNumber } from './topic-number.js';

/** One of the partitions, and whether it answers. */
interface PublisherPartition {
  readonly publisher: TopicPublisher;
  readonly watch: PartitionWatch;
}

/**
 * The publishing side of a topic with partitions: a `TopicPublisher` for each of them, over one connection.
 * `PartitionChoice` says to which of them an event goes. All copies of an event are in one partition.
 */
export class PartitionedPublisher {
  readonly connection: Connection;
  readonly #topic: string;
  readonly #partitions: readonly PublisherPartition[];
  readonly #choice: PartitionChoice<PublisherPartition>;
  /** The time that an event may take to be stored, ms. */
  readonly #timeoutMs: number;

  /** @param partitions their number */
  constructor(
    source: RedisSource,
    topic: string,
    partitions: number,
    options: PublisherOptions,
    listener: ConnectionListener = {},
  ) {
    const allKeys = topicPartitions(topic, partitions);
    const clientId = randomBytes(12).toString('base64url');
    const warn = (message: string): void => listener.warned?.(message);
    const warned = reportOnce(warn);
    this.connection = new Connection(source, COMMAND_TIMEOUT_MS, {
      status: (status) => {
        if (status === 'connected') void warnOfFullCoverage(this.connection.client, warned);
        listener.status?.(status);
      },
      error: (error) => listener.error?.(error),
    });
    const { connection } = this;
    const number = topicNumber(allKeys);
    const unrouted = newUnroutedSummary(warn);
    const buffer = new SendBuffer(options.maxBufferedBytes);
    const partition = { leader: allKeys[0] as TopicKeys, count: partitions };
    const reports = { error: (error: Error) => listener.error?.(error), warned };
    this.#topic = topic;
    this.#timeoutMs = options.enqueueTimeout;
    this.#partitions = allKeys.map((keys) => {
      const watch = new PartitionWatch(connection, keys);
      const own = { buffer: buffer.newPart(), watch };
      const parts = { clientId, connection, number, partition, unrouted, warn, ...own };
      return { watch, publisher: new TopicPublisher(source, keys, options, reports, parts) };
    });
    this.#choice = new PartitionChoice(this.#partitions, clientId);
  }

  /** Resolves when connected, as `TopicPublisher.connect` does. */
  async connect(): Promise<void> {
    await Promise.all(this.#partitions.map(({ publisher }) => publisher.connect()));
  }

  /** Publishes an event, as `TopicPublisher.store` does. */
  store(
    event: ServiceEvent,
    options: MessageOptions,
    stored: (id: string) => void,
    failed: (error: Error) => void,
  ): void {
    this.#choice.ofEvent(options).publisher.store(event, options, stored, failed);
  }

  /** Publishes an event, as `TopicPublisher.publish` does. */
  publish(event: ServiceEvent, options: MessageOptions = {}): Promise<number> {
    return this.#choice.ofEvent(options).publisher.publish(event, options);
  }

  /** @throws {InvalidEventError} always, as `TopicPublisher.request` does */
  request(event: ServiceEvent): () => void {
    throw requestRefused(this.#topic, event.action);
  }

  /** Closes all partitions, as `TopicPublisher.close` does. Takes `enqueueTimeout` and 5 s at the most. */
  async close(): Promise<void> {
    const closed = Promise.all(this.#partitions.map(({ publisher }) => publisher.close()));
    closed.catch(() => undefined);
    await withinTime(closed, this.#timeoutMs + COMMAND_TIMEOUT_MS, []);
    await this.connection.closeConnection();
  }
}

/** Makes the publisher of a topic. @param partitions their number, if the topic has any */
export function openPublisher(
  source: RedisSource,
  topic: string,
  partitions: number | undefined,
  options: PublisherOptions,
  listener?: ConnectionListener,
): TopicPublisher | PartitionedPublisher {
  if (partitions !== undefined) return new PartitionedPublisher(source, topic, partitions, options, listener);
  const [keys] = topicPartitions(topic, undefined) as [TopicKeys];
  return new TopicPublisher(source, keys, options, listener);
}
