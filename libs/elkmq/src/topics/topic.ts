import { ConnectionError, EnqueueError, InvalidOptionError } from '../model/errors.js';
import { headerFields } from '../model/headers.js';
import { parseListener } from '../model/listener.js';
import {
  checkGivenOptions,
  formatValue,
  MAX_DELAY_MS,
  parseBoolean,
  parseMilliseconds,
  parseMembers,
} from '../model/options.js';
import { parseOrderingKey } from '../model/ordering-key.js';
import { checkIsEvent, type ServiceEvent } from '../model/service-event.js';
import { topicPartitions, type TopicKeys } from '../model/topic-keys.js';
import { parsePatterns, parseSubscriptionName, parseTopicName } from '../model/topic-names.js';
import { parseDeduplication, type Deduplication } from '../model/deduplication.js';
import { parsePartitions, type PartitionOptions } from '../model/partitions.js';
import type { Connection } from '../redis/connection.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { refusePartitions, type PartitionNumber } from '../redis/partition-check.js';
import { isReplyError } from '../redis/redis-errors.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { callReliably, reliably } from '../redis/reliable-call.js';
import { sendingOptions, type SendingOptions } from '../requests/sending-options.js';
import { openPublisher, type PartitionedPublisher } from './partitioned-publisher.js';
import { changeInAll, removeFromAll } from './partitioned-table.js';
import type { PublisherOptions } from './publisher-options.js';
import type { TopicPublisher } from './publisher.js';
import { parseRetention, type Retention, type Subscription } from './subscription.js';
import { readTable, type TableCalls } from './table-changes.js';
import { topicNumber } from './topic-number.js';
import { readTopicState, type TopicState } from './topic-state.js';

/** The options of everyone who publishes to a topic. */
export interface PublishingOptions extends Omit<SendingOptions, 'maxQueueLength' | 'legacyConsumers'> {
  /**
   * Whether an event that no subscription has a pattern for fails with an `UnroutedError`. Otherwise it is
   * dropped and counted, and the log says so. Default false.
   */
  requireSubscription?: boolean;
}

/** The options of a `Topic`. */
export interface TopicOptions extends PublishingOptions, PartitionOptions {
  /** Fetches the credentials, as of an `EventQueue`. */
  credentials?: CredentialsFunction;
  /**
   * Is called with what is wrong and does not fail a call, such as events without a subscription. When it
   * throws, that is a warning of the process.
   */
  onWarning?: (message: string) => void;
}

const OPTIONS = Object.keys({
  credentials: true,
  enqueueTimeout: true,
  maxBufferedBytes: true,
  maxPayloadBytes: true,
  minReplicas: true,
  onWarning: true,
  partitions: true,
  partitionsForTests: true,
  requireSubscription: true,
} satisfies Record<keyof TopicOptions, true>);

/** The options of one event. */
export interface PublishOptions {
  /** The headers of the event. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The delay of the event, ms. It is routed now, and put off in each queue. Default 0. */
  readonly delay?: number | undefined;
  /**
   * Each subscription handles events with one key one at a time, in the order in which this process has
   * published them: 1 to 256 bytes of UTF-8. Default: no order.
   */
  readonly orderingKey?: string | undefined;
  /**
   * Of the events with this `key`, only the first within `window` ms (default 60,000) is published. An event
   * without a subscription does not count.
   */
  readonly deduplication?: { readonly key: string; readonly window?: number | undefined } | undefined;
}

/** The options of a subscription. */
export interface SubscribeOptions {
  /** They are added to those that it has. Dots separate words, `*` is one word, `#` is any number. */
  readonly patterns: readonly string[];
  /**
   * What is kept while no worker comes. What is not given stays as it is; a new subscription gets 1,000,000
   * messages and 7 days.
   */
  readonly retention?: Partial<Retention> | undefined;
}

/** @throws {InvalidOptionError} */
export function publishingOptions(given: PublishingOptions, isCluster: boolean): PublisherOptions {
  for (const name of ['maxQueueLength', 'legacyConsumers'] as const) {
    const value = (given as SendingOptions)[name];
    if (value === undefined) continue;
    throw new InvalidOptionError(`${name} must not be given for a topic, got ${formatValue(value)}`);
  }
  const requireSubscription = parseBoolean('requireSubscription', given.requireSubscription);
  return { ...sendingOptions(given, isCluster), requireSubscription };
}

/**
 * A topic in Redis. Each event that is published goes to every subscription that has a pattern for it, once.
 * A subscription is a queue, `{TOPIC}/NAME`: its workers share the events, with retries, dead letters and all
 * else. The topic connects at once; call `close` in the end.
 *
 * Every call may fail with one of these errors. `ConnectionError`: Redis was away for longer than
 * `enqueueTimeout`, or the topic is closed. `EnqueueError`: Redis refuses. `InvalidOptionError`: an
 * argument is wrong.
 */
export class Topic {
  /** The keys of each partition. Without partitions: those of the topic. */
  readonly #partitions: readonly TopicKeys[];
  readonly #publisher: TopicPublisher | PartitionedPublisher;
  readonly #timeoutMs: number;
  readonly #calls: TableCalls;
  readonly #number: PartitionNumber | undefined;
  /** The check of the number of partitions. It is made again until it has succeeded. */
  #check: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param name any text without `/`, `{` and `}`
   * @param redis address of Redis; default redis://127.0.0.1:6379
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly name: string,
    redis?: RedisSourceInput,
    options: TopicOptions = {},
  ) {
    const topic = parseTopicName(name);
    checkGivenOptions('Topic', options, OPTIONS);
    const source = new RedisSource(redis, options.credentials);
    const partitions = parsePartitions(topic, options, source.isCluster);
    this.#partitions = topicPartitions(topic, partitions);
    this.#number = partitions === undefined ? undefined : topicNumber(this.#partitions);
    const publishing = publishingOptions(options, source.isCluster);
    this.#timeoutMs = publishing.enqueueTimeout;
    const warned = parseListener<string>('onWarning', options.onWarning);
    this.#publisher = openPublisher(source, topic, partitions, publishing, warned && { warned });
    const { connection } = this.#publisher;
    this.#calls = {
      read: (keys) => reliably(connection, (client) => readTable(client, keys), this.#timeoutMs),
      run: (call) => callReliably(connection, call, this.#timeoutMs),
    };
  }

  /**
   * Publishes an event. All subscriptions that have a pattern for its action get it, or none does.
   * @returns the number of subscriptions that get it; for a duplicate, of those that got the first one
   * @throws {UnroutedError} with `requireSubscription`, when there is none
   * @throws {BufferFullError} when too much is waiting for Redis
   * @throws {PayloadTooLargeError}
   */
  async publish(event: ServiceEvent, options: PublishOptions = {}): Promise<number> {
    this.#refuseClosed();
    checkIsEvent('event', event);
    checkGivenOptions('publish', options, ['headers', 'delay', 'orderingKey', 'deduplication']);
    const { headers, delay, orderingKey, deduplication } = options;
    return this.#publisher.publish(event, {
      fields: headerFields(headers),
      delay: Math.ceil(parseMilliseconds('delay', delay, 0, MAX_DELAY_MS, 0)),
      orderingKey: orderingKey === undefined ? undefined : parseOrderingKey(orderingKey),
      deduplication: deduplicationOf(deduplication),
    });
  }

  /**
   * Adds a subscription, or adds patterns to one. When the call has returned, the subscription gets every
   * event of its patterns that is published from now on. A subscription that was removed comes back, empty.
   * @throws {TooManySubscriptionsError} beyond 200
   */
  async subscribe(subscription: string, options: SubscribeOptions): Promise<void> {
    this.#refuseClosed();
    checkGivenOptions('subscribe', options, ['patterns', 'retention']);
    const { patterns, retention } = options;
    const added = parsePatterns(patterns);
    const kept = retention === undefined ? undefined : parseRetention(retention);
    await this.#change(parseSubscriptionName(subscription), (now) => [...new Set([...now, ...added])], kept);
  }

  /**
   * Removes patterns of a subscription. It does not get events of these any more; what it has stays. A
   * worker that has handlers for them adds them again when it starts.
   */
  async removePatterns(subscription: string, patterns: readonly string[]): Promise<void> {
    this.#refuseClosed();
    const name = parseSubscriptionName(subscription);
    const removed = new Set(parsePatterns(patterns));
    const subscriptions = await this.subscriptions();
    if (!subscriptions.some((known) => known.name === name)) {
      throw new InvalidOptionError(`the topic '${this.name}' has no subscription ${formatValue(name)}`);
    }
    await this.#change(name, (now) => now.filter((pattern) => !removed.has(pattern)));
  }

  /**
   * Removes a subscription and deletes its queue, with all messages and dead letters. Its workers stop with
   * an `UnsubscribedError`, and do not bring it back.
   * @returns whether there was one
   */
  async unsubscribe(subscription: string): Promise<boolean> {
    this.#refuseClosed();
    const name = parseSubscriptionName(subscription);
    await this.#checkNumber();
    return named(
      removeFromAll(this.#partitions, name, this.#calls),
      ' (removing a subscription needs UNLINK)',
    );
  }

  /** The subscriptions of the topic, by name. With partitions those of partition 0, which decides. */
  async subscriptions(): Promise<readonly Subscription[]> {
    this.#refuseClosed();
    await this.#checkNumber();
    const { subscriptions } = await named(this.#calls.read(this.#partitions[0] as TopicKeys));
    return subscriptions;
  }

  /**
   * The state of the topic and of the queues of its subscriptions.
   * @param timeout time that Redis may take for one call, ms; default: the `enqueueTimeout`
   * @throws {DequeueError} when Redis refuses
   */
  async state(timeout?: number): Promise<TopicState> {
    this.#refuseClosed();
    const timeoutMs = parseMilliseconds('timeout', timeout, this.#timeoutMs);
    await this.#checkNumber();
    return readTopicState(this.#publisher.connection, this.#partitions, timeoutMs);
  }

  /** Publishes what is waiting, and closes the connection. It can be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#publisher.close();
    return this.#closed;
  }

  async #change(
    name: string,
    patterns: (now: readonly string[]) => readonly string[],
    retention?: Partial<Retention>,
  ): Promise<void> {
    await this.#checkNumber();
    await named(changeInAll(this.#partitions, name, { patterns, retention, mayReturn: true }, this.#calls));
  }

  /** @throws {InvalidOptionError} when the topic has another number of partitions */
  #checkNumber(): Promise<void> {
    const [first] = this.#partitions as [TopicKeys];
    const { connection } = this.#publisher;
    const check = (client: Connection['client']): Promise<void> =>
      this.#number ? this.#number.checkNumber(client) : refusePartitions(client, first);
    this.#check ??= named(reliably(connection, check, this.#timeoutMs)).catch((error: unknown) => {
      this.#check = undefined;
      throw error;
    });
    return this.#check;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ConnectionError(`the topic ${formatValue(this.name)} is closed`);
  }
}

function deduplicationOf(given: PublishOptions['deduplication']): Deduplication | undefined {
  if (given === undefined) return undefined;
  const { key, window } = parseMembers('deduplication', given, ['key', 'window']);
  return parseDeduplication(key, window);
}

async function named<T>(answer: Promise<T>, hint = ''): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new EnqueueError(`Redis refuses a call of the topic: ${error.message}${hint}`, { cause: error });
  }
}
