import { randomBytes } from 'node:crypto';
import { BufferFullError, EnqueueError } from '../model/errors.js';
import { withOrderingKey } from '../model/ordering-key.js';
import type { ServiceEvent } from '../model/service-event.js';
import { Summary } from '../model/summary.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { asEnqueueFailure } from '../producer/producer.js';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import { attentiveNow } from '../redis/deadline.js';
import { needsOfPublisher } from '../redis/needs.js';
import type { RedisSource } from '../redis/redis-source.js';
import { reliably, scheduleFlush } from '../redis/reliable-call.js';
import { runReplicated, runScript, send, type ScriptCall } from '../redis/scripts.js';
import type { MessageOptions, RequesterOptions } from '../requests/requester-options.js';
import { encodeWithin, SenderCheck } from '../requests/sender-check.js';
import { RetentionKeeper } from './retention-keeper.js';
import { Router } from './router.js';
import { NO_TABLE, tableOf } from './table.js';
import { requestRefused, unroutedError } from './topic-errors.js';
import { countBatch, publishCall, type TopicEvent } from './topic-batch.js';
import { TopicRates } from './topic-rates.js';

export interface PublisherOptions extends RequesterOptions {
  /** Whether an event without a subscription fails with an `UnroutedError`. */
  readonly requireSubscription: boolean;
}

/** The time for which the script remembers its answer after the publisher has given up, ms. */
const MEMORY_MARGIN_MS = 60_000;
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
  readonly clientId = randomBytes(12).toString('base64url');
  readonly connection: Connection;
  readonly #keys: TopicKeys;
  readonly #options: PublisherOptions;
  readonly #check: SenderCheck;
  readonly #retention: RetentionKeeper;
  readonly #rates: TopicRates;
  readonly #unrouted: Summary<string>;
  #table = NO_TABLE;
  #router = new Router([]);
  #waiting: TopicEvent[] = [];
  #buffered = 0;
  #number = 1;
  #isScheduled = false;
  #isPublishing = false;
  #idle: (() => void)[] = [];
  /** The `attentiveNow()` at which Redis answered last. */
  #answeredAt = 0;

  constructor(
    source: RedisSource,
    keys: TopicKeys,
    options: PublisherOptions,
    listener: ConnectionListener = {},
  ) {
    this.#keys = keys;
    this.#options = options;
    this.connection = new Connection(source, COMMAND_TIMEOUT_MS, listener);
    const needs = needsOfPublisher(options.minReplicas);
    this.#check = new SenderCheck(this.connection, `topic '${keys.topic}'`, keys.rights, needs, listener);
    const warn = (message: string): void => listener.warned?.(message);
    this.#unrouted = new Summary((count, action) => {
      warn(
        `${String(count)} event(s) had no subscription and were dropped, the last one with the pattern '${action}'`,
      );
    });
    this.#rates = new TopicRates(this.connection, keys);
    this.#retention = new RetentionKeeper(this.connection, keys, this.clientId, () => this.#table, warn);
  }

  /** Resolves when connected. @throws {ConnectionError} */
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

  /** Sends what is waiting, and leaves nothing in Redis. */
  async close(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isPublishing) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    this.#unrouted.report();
    await this.#retention.stopTrimming();
    await this.#rates.stopFlushing();
    // This is best effort: the key has a TTL.
    if (this.connection.isConnected)
      await send(this.connection.client, 'del', [this.#keys.producer(this.clientId)]).catch(() => undefined);
    await this.connection.closeConnection();
  }

  #add(
    event: ServiceEvent,
    { fields = [], delay = 0, deduplication, orderingKey }: MessageOptions,
    stored: (copies: string) => void,
    failed: (error: Error) => void,
  ): void {
    const { maxPayloadBytes, maxBufferedBytes } = this.#options;
    const json = encodeWithin(event, maxPayloadBytes);
    const { action, requestId } = event;
    if (this.#buffered + json.length > maxBufferedBytes) {
      failed(
        new BufferFullError(
          `the event was not stored: with its ${String(json.length)} bytes, more than maxBufferedBytes (${String(maxBufferedBytes)}) would wait for Redis`,
        ),
      );
      return;
    }
    this.#buffered += json.length;
    const all = withOrderingKey(orderingKey, fields);
    const since = attentiveNow();
    const outgoing = { requestId, action, json, fields: all, replyWithin: 0, delay, deduplication, since };
    this.#waiting.push({ ...outgoing, stored, failed });
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
      if (isStored) {
        this.#number++;
        for (const { json } of events) this.#buffered -= json.length;
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
    const memory = Math.ceil(enqueueTimeout) + MEMORY_MARGIN_MS;
    const sender = { clientId, number: this.#number, memory };
    const call = publishCall(events, this.#router, this.#table, this.#keys, sender);
    const run = async (client: Connection['client']): Promise<Answered> => {
      await this.#check.prepare();
      if (minReplicas > 0) return this.#runReplicated(client, call);
      return { answer: await runScript(client, call) };
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
