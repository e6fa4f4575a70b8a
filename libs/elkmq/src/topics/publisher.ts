import { randomBytes } from 'node:crypto';
import { EnqueueError } from '../model/errors.js';
import { withOrderingKey } from '../model/ordering-key.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { Summary } from '../model/summary.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { asEnqueueFailure, bufferFull } from '../producer/producer.js';
import { SendBuffer } from '../producer/send-buffer.js';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import { attentiveNow } from '../redis/answer-timer.js';
import { needsOfPublisher } from '../redis/needs.js';
import { refusePartitions } from '../redis/partition-check.js';
import type { RedisSource } from '../redis/redis-source.js';
import { reliably, scheduleFlush } from '../redis/reliable-call.js';
import { runReplicated, runScript, send, type ScriptCall } from '../redis/scripts.js';
import type { MessageOptions, PartitionParts } from '../requests/requester-options.js';
import { encodeWithin, SenderCheck } from '../requests/sender-check.js';
import { RetentionKeeper } from './retention-keeper.js';
import { Router } from './router.js';
import { newUnroutedSummary, type PublisherOptions, type PublisherParts } from './publisher-options.js';
import { NO_TABLE, tableOf, type SubscriptionTable } from './table.js';
import { requestRefused, unroutedError } from './topic-errors.js';
import { countBatch, publishCall, TopicEvent } from './topic-batch.js';
import { TopicRates } from './topic-rates.js';

/** The time for which the script remembers its answer after the publisher has given up, ms. */
const ANSWER_TTL_MARGIN_MS = 60_000;
/** The longest time for which a batch waits for replicas, ms. */
const REPLICAS_TIMEOUT_MS = 400;

/** The answer of Redis to a batch. */
interface Answered {
  readonly answer: unknown;
  /** The error when the batch is stored, but too few replicas have confirmed it. */
  readonly unconfirmed?: EnqueueError;
}

/**
 * The publishing side of a topic. Events that are published during one tick go out together. One batch is
 * on its way at a time, so the order of this publisher is kept, also when the table of the topic changes. A
 * batch has a number, and is sent again when its answer was lost. When the table has changed, Redis has
 * stored nothing: then the same number goes out again with new routes.
 */
export class TopicPublisher {
  readonly clientId: string;
  readonly connection: Connection;
  readonly #keys: TopicKeys;
  readonly #options: PublisherOptions;
  readonly #check: SenderCheck;
  readonly #retention: RetentionKeeper;
  readonly #rates: TopicRates;
  readonly #unrouted: Summary<string>;
  readonly #buffer: SendBuffer;
  readonly #watch: PartitionParts['watch'] | undefined;
  readonly #ownsConnection: boolean;
  #table = NO_TABLE;
  #router = new Router([]);
  #waiting: TopicEvent[] = [];
  #number = 1;
  #isScheduled = false;
  #isPublishing = false;
  #idle: (() => void)[] = [];
  /** The `attentiveNow()` at which Redis answered last. */
  #answeredAt = 0;

  /** @param parts given to the publisher of a partition */
  constructor(
    source: RedisSource,
    keys: TopicKeys,
    options: PublisherOptions,
    listener: ConnectionListener = {},
    parts?: PublisherParts,
  ) {
    this.#keys = keys;
    this.#options = options;
    this.clientId = parts?.clientId ?? randomBytes(12).toString('base64url');
    this.connection = parts?.connection ?? new Connection(source, COMMAND_TIMEOUT_MS, listener);
    this.#ownsConnection = parts === undefined;
    this.#buffer = parts?.buffer ?? new SendBuffer(options.maxBufferedBytes);
    this.#watch = parts?.watch;
    const { connection } = this;
    const needs = needsOfPublisher(options.minReplicas);
    const checkTopic = (client: Connection['client']): Promise<void> =>
      parts ? parts.number.checkNumber(client) : refusePartitions(client, keys);
    const owner = `topic '${keys.topic}'`;
    this.#check = new SenderCheck(connection, owner, keys.rights, needs, listener, checkTopic);
    const warn = parts?.warn ?? ((message: string): void => listener.warned?.(message));
    this.#unrouted = parts?.unrouted ?? newUnroutedSummary(warn);
    this.#rates = new TopicRates(connection, keys);
    const table = (): SubscriptionTable => this.#table;
    this.#retention = new RetentionKeeper(connection, keys, this.clientId, table, warn, parts?.partition);
  }

  /**
   * Resolves when connected.
   * @throws {ConnectionError} also when Redis is too old, or refuses what publishing needs
   * @throws {InvalidOptionError} when the topic has another number of partitions
   */
  async connect(): Promise<void> {
    await this.connection.whenConnected(this.#options.enqueueTimeout);
    await this.#check.prepareIfConnected();
  }

  /**
   * Publishes an event, as `publish` does.
   * @param stored gets the request uuid, which is the same in all copies
   */
  store(
    event: ServiceEvent,
    options: MessageOptions,
    stored: (id: string) => void,
    failed: (error: Error) => void,
  ): void {
    this.#add(event, options, () => stored(event.requestId), failed);
  }

  /** @throws {InvalidEventError} always: a topic has no one who answers */
  request(event: ServiceEvent): () => void {
    throw requestRefused(this.#keys.topic, event.action);
  }

  /**
   * Publishes an event.
   * @returns the number of subscriptions that get it
   * @throws {PayloadTooLargeError}
   */
  publish(event: ServiceEvent, options: MessageOptions = {}): Promise<number> {
    return new Promise((stored, failed) => {
      this.#add(event, options, (copies) => stored(Number(copies)), failed);
    });
  }

  /** Sends what is waiting, and leaves nothing in Redis, if that answers. */
  async close(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isPublishing) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    this.#unrouted.report();
    const trimmed = this.#retention.stopTrimming();
    // This is best effort, so a partition that does not answer is not waited for.
    if (this.#watch?.isAnswering !== false) {
      await trimmed;
      await this.#tidyUp();
    }
    if (this.#ownsConnection) await this.connection.closeConnection();
  }

  /** Sees to retention, tells the rates, and deletes the key of this client, which has a TTL. */
  async #tidyUp(): Promise<void> {
    await Promise.all([this.#retention.lookOnceMore(), this.#rates.stopFlushing()]);
    if (!this.connection.isConnected) return;
    await send(this.connection.client, 'del', [this.#keys.producer(this.clientId)]).catch(() => undefined);
  }

  #add(
    event: ServiceEvent,
    { fields = [], delay = 0, deduplication, orderingKey }: MessageOptions,
    stored: (copies: string) => void,
    failed: (error: Error) => void,
  ): void {
    const json = encodeWithin(event, this.#options.maxPayloadBytes);
    const { action, requestId } = event;
    if (!this.#buffer.reserve(json.length)) {
      failed(bufferFull(json.length, this.#buffer));
      return;
    }
    const all = withOrderingKey(orderingKey, fields);
    const now = attentiveNow();
    this.#waiting.push(
      new TopicEvent(requestId, action, json, all, delay, deduplication, stored, failed, now),
    );
    if (this.#isScheduled || this.#isPublishing) return;
    this.#isScheduled = true;
    scheduleFlush(true, () => {
      this.#isScheduled = false;
      void this.#publishAll();
    });
  }

  async #publishAll(): Promise<void> {
    this.#isPublishing = true;
    while (this.#waiting.length > 0) await this.#publishBatch();
    this.#isPublishing = false;
    for (const wake of this.#idle.splice(0)) wake();
  }

  async #publishBatch(): Promise<void> {
    const events = this.#waiting.splice(0, countBatch(this.#waiting, this.#router));
    let isStored = true;
    this.#watch?.batchSent();
    try {
      const { answer, unconfirmed } = await this.#call(events);
      if (Array.isArray(answer)) {
        // The table has changed, and nothing is stored.
        this.#table = tableOf(answer as string[]);
        this.#router = new Router(this.#table.subscriptions.map(({ patterns }) => patterns));
        this.#waiting = [...events, ...this.#waiting];
        isStored = false;
        return;
      }
      this.#answeredAt = attentiveNow();
      this.#retention.published();
      const copies = String(answer).split(',');
      for (const [index, event] of events.entries()) {
        if (unconfirmed) event.failed(unconfirmed);
        else this.#answered(event, copies[index] ?? '0');
      }
      this.#rates.countCopies(
        events.map(({ action }) => action),
        this.#router,
        this.#table,
      );
    } catch (error) {
      const failure = asEnqueueFailure(error);
      for (const event of events) event.failed(failure);
    } finally {
      this.#watch?.batchEnded();
      if (isStored) {
        this.#number++;
        this.#buffer.release(events.reduce((sum, { json }) => sum + json.length, 0));
      }
    }
  }

  #answered(event: TopicEvent, copies: string): void {
    if (copies !== '0') {
      event.stored(copies);
      return;
    }
    if (!this.#options.requireSubscription) {
      this.#unrouted.add(event.action);
      event.stored(copies);
      return;
    }
    event.failed(unroutedError(this.#keys.topic, event.action));
  }

  async #call(events: readonly TopicEvent[]): Promise<Answered> {
    const { enqueueTimeout, minReplicas } = this.#options;
    const { clientId } = this;
    const answerTtlMs = Math.ceil(enqueueTimeout) + ANSWER_TTL_MARGIN_MS;
    const sender = { clientId, number: this.#number, answerTtlMs };
    const call = publishCall(events, this.#router, this.#table, this.#keys, sender);
    const run = async (client: Connection['client']): Promise<Answered> => {
      try {
        await this.#check.prepare();
        if (minReplicas > 0) return await this.#runReplicated(client, call);
        return { answer: await runScript(client, call) };
      } catch (error) {
        this.#watch?.attemptFailed(error);
        throw error;
      }
    };
    return reliably(this.connection, run, enqueueTimeout, {
      since: Math.max(events[0]?.since ?? 0, this.#answeredAt),
      size: () => events.reduce((sum, { json }) => sum + json.length, 0),
    });
  }

  async #runReplicated(client: Connection['client'], call: ScriptCall): Promise<Answered> {
    const { minReplicas, enqueueTimeout } = this.#options;
    const timeout = Math.max(20, Math.min(REPLICAS_TIMEOUT_MS, Math.floor(enqueueTimeout / 10)));
    const { answer, confirmed } = await runReplicated(client, call, minReplicas, timeout);
    if (confirmed >= minReplicas) return { answer };
    const who = `${String(confirmed)} of ${String(minReplicas)} replicas within ${String(timeout)} ms`;
    return { answer, unconfirmed: new EnqueueError(`the event is stored, but was confirmed by only ${who}`) };
  }
}
