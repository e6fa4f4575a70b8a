import { QueueContext } from '../context/queue-context.js';
import { RateFlush } from '../context/rate-flush.js';
import { randomBytes } from 'node:crypto';
import { COMMAND_TIMEOUT_MS, Connection, type ConnectionListener } from '../redis/connection.js';
import { EnqueueError, EventQueueError, InvalidEventError } from '../model/errors.js';
import type { Cleaning, LegacyResponses } from '../legacy/bridge.js';
import type { QueueKeys } from '../model/keys.js';
import { orderingKeyOf, withOrderingKey } from '../model/ordering-key.js';
import { PlainEvent } from '../producer/batch.js';
import { Producer } from '../producer/producer.js';
import { needsOfClient } from '../redis/needs.js';
import { checkVersion } from '../redis/check.js';
import { refusePartitions, type PartitionNumber } from '../redis/partition-check.js';
import type { RedisSource } from '../redis/redis-source.js';
import { failureOf, type ReplyFrame } from '../model/reply-frame.js';
import { ReplyInbox, type ReplyReceiver } from './reply-inbox.js';
import type { MessageOptions, PartitionParts, RequesterOptions } from './requester-options.js';
import { RequestTable } from './request-table.js';
import { send } from '../redis/scripts.js';
import { withinTime } from '../redis/within-time.js';
import type { ServiceEvent } from '../model/service-event.js';
import { RequestCanceller } from './canceller.js';
import { OlderWorkers } from './older-workers.js';
import { encodeWithin, SenderCheck } from './sender-check.js';
import { WaitingRequest, type ReplyListener, type RequestCallbacks } from './waiting-request.js';

/**
 * The client's side of a queue: it stores events, and hands replies to their callers. One table of waiting
 * requests and one inbox serve all calls.
 */
export class Requester implements ReplyReceiver {
  readonly clientId: string;
  readonly connection: Connection;
  readonly context: QueueContext;
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #options: RequesterOptions;
  readonly #listener: ConnectionListener;
  readonly #producer: Producer;
  readonly #waiting = new RequestTable<WaitingRequest>();
  readonly #callbacks: RequestCallbacks = {
    ended: (request) => {
      this.#waiting.removeRequest(request);
      this.#responses?.forget(request.requestId);
    },
    takeBack: (request) => this.#producer.takeBack(request),
    cancelStored: ({ deduplication, requestId, fields }, id, deadline) => {
      const stored = { id, orderingKey: orderingKeyOf(fields) ?? '', deadline };
      if (!deduplication) this.#canceller.cancelRequest(stored);
      else this.#canceller.leaveRequest(stored, deduplication, `${this.clientId} ${requestId}`);
    },
  };
  readonly #canceller: RequestCanceller;
  readonly #olderWorkers: OlderWorkers;
  /** The requests of this tick. Their time begins at the end of the tick, because nothing is sent before. */
  readonly #starting: WaitingRequest[] = [];
  readonly #startTimeouts = (): void => {
    for (const request of this.#starting) request.startTimeout();
    this.#starting.length = 0;
  };
  #inbox: ReplyInbox | undefined;
  /** Reads the responses of legacy consumers. */
  #responses: LegacyResponses | undefined;
  readonly #cleaning: Cleaning;
  readonly #rates: RateFlush;
  readonly #check: SenderCheck;
  readonly #ownsConnection: boolean;
  readonly #number: PartitionNumber | undefined;
  readonly #watch: PartitionParts['watch'] | undefined;
  #isNewEnough = false;

  /** @param parts given to the requester of a partition */
  constructor(
    source: RedisSource,
    keys: QueueKeys,
    options: RequesterOptions,
    listener: ConnectionListener = {},
    parts?: PartitionParts,
  ) {
    this.#source = source;
    this.#keys = keys;
    this.#options = options;
    this.#listener = listener;
    this.clientId = parts?.clientId ?? randomBytes(12).toString('base64url');
    this.#ownsConnection = parts === undefined;
    this.#number = parts?.number;
    this.#watch = parts?.watch;
    this.connection = parts?.connection ?? new Connection(source, COMMAND_TIMEOUT_MS, listener);
    const hasPartitions = parts !== undefined;
    this.context = new QueueContext(this.connection, keys, options.legacyConsumers, hasPartitions);
    this.#canceller = new RequestCanceller(this.context);
    this.#olderWorkers = new OlderWorkers(this.context, (error) => this.#listener.error?.(error));
    const needs = needsOfClient({ ...options, hasPartitions }, source.isCluster);
    const owner = `queue '${keys.queue}'`;
    const checkQueue = (client: Connection['client']) => {
      if (this.#check.isRefused(this.context.pushes)) this.context.pushes = '';
      return this.#checkPartitions(client);
    };
    this.#check = new SenderCheck(this.connection, owner, keys.rights, needs, listener, checkQueue);
    const prepare = (): Promise<void> => this.#check.prepare();
    this.#producer = new Producer(this.context, this.clientId, options, prepare, parts?.buffer, parts?.watch);
    this.#cleaning = this.context.legacy.cleanForClient((_, error) => this.#listener.error?.(error));
    this.#rates = new RateFlush(this.connection, keys, this.context.rates, (name, error) =>
      this.#listener.error?.(new EnqueueError(`${name}: held up: ${error.message}`, { cause: error })),
    );
  }

  /**
   * Stores an event, as `store` does.
   * @returns the id of its entry
   */
  enqueue(event: ServiceEvent, options: MessageOptions = {}): Promise<string> {
    return new Promise((stored, failed) => {
      this.store(event, options, stored, failed);
    });
  }

  /**
   * Stores an event. One of the callbacks is called later.
   * @param stored gets the id of its entry, or that of the first message when this one is a duplicate
   * @throws {PayloadTooLargeError}
   */
  store(
    event: ServiceEvent,
    { fields = [], delay = 0, deduplication, orderingKey }: MessageOptions,
    stored: (id: string) => void,
    failed: (error: Error) => void,
  ): void {
    const json = this.encode(event);
    const all = withOrderingKey(orderingKey, fields);
    this.#olderWorkers.notice(orderingKey);
    this.#producer.produce(new PlainEvent(event.requestId, json, all, delay, deduplication, stored, failed));
  }

  /**
   * Stores a request and hands its replies to `listener`. A duplicate gets the replies to the first request.
   * @param timeout ms until the last reply, not counting the delay
   * @returns a function that cancels the request when nobody waits for it any more
   * @throws {PayloadTooLargeError}
   * @throws {InvalidEventError} when the same event is waiting already
   */
  request(
    event: ServiceEvent,
    timeout: number,
    listener: ReplyListener,
    options: MessageOptions = {},
  ): () => void {
    const json = this.encode(event);
    const { delay = 0, deduplication } = options;
    let { fields = [] } = options;
    // This field tells the worker that other callers may wait too.
    if (deduplication) fields = [...fields, 'deduplication', deduplication.key];
    fields = withOrderingKey(options.orderingKey, fields);
    this.#olderWorkers.notice(options.orderingKey);
    if (this.#waiting.get(event.requestId)) {
      throw new InvalidEventError(`a response to the event ${event.requestId} is being awaited already`);
    }
    this.#inbox ??= this.#openInbox();
    this.#responses ??= this.#openResponses();
    const request = new WaitingRequest(
      event,
      json,
      fields,
      delay,
      deduplication,
      timeout,
      listener,
      this.#callbacks,
    );
    this.#waiting.addRequest(request);
    this.#responses.watchRequest(event.requestId);
    this.#producer.produce(request);
    if (this.#starting.push(request) === 1) process.nextTick(this.#startTimeouts);
    return () => {
      request.stopWaiting();
    };
  }

  /**
   * Resolves when connected.
   * @throws {ConnectionError} also when Redis is too old, or refuses what sending needs
   * @throws {InvalidOptionError} when the queue has another number of partitions
   */
  async connect(): Promise<void> {
    await this.connection.whenConnected(this.#options.enqueueTimeout);
    await this.#check.prepareIfConnected();
  }

  /** Resolves when connected, as `connect` does. The user of Redis needs no right to send. */
  async connectToTake(): Promise<void> {
    await this.connection.whenConnected(this.#options.enqueueTimeout);
    if (this.#check.hasSucceeded || this.#isNewEnough) return;
    try {
      await checkVersion(this.connection.client);
      await this.#checkPartitions(this.connection.client);
      this.#isNewEnough = true;
    } catch (error) {
      // Any other error means that the connection broke: the caller waits for the next one.
      if (error instanceof EventQueueError) throw error;
    }
  }

  /**
   * Sends what is waiting, fails with `error` the requests that still wait for a reply, and leaves nothing in
   * Redis. Takes `enqueueTimeout` and 5 s at the most.
   */
  async close(error: Error): Promise<void> {
    for (const request of this.#waiting.all()) request.stopWaiting(error);
    await this.#producer.drained();
    await this.#inbox?.closeInbox();
    await this.#responses?.stopWatching();
    await this.#cleaning.stopCleaning();
    // This is best effort, so a partition that does not answer is not waited for.
    if (this.#watch?.isAnswering !== false) await withinTime(this.#tidyUp(), COMMAND_TIMEOUT_MS, undefined);
    if (this.#ownsConnection) await this.connection.closeConnection();
  }

  /**
   * Cancels what nobody waits for any more, tells the rates, and deletes keys, which all have a TTL. It never
   * fails.
   */
  async #tidyUp(): Promise<void> {
    await this.#canceller.drained();
    await this.#rates.stopFlushing();
    if (!this.connection.isConnected) return;
    const own = [this.#keys.producer(this.clientId)];
    if (this.#inbox) own.push(this.#keys.inbox(this.clientId) as string);
    await send(this.connection.client, 'del', own).catch(() => undefined);
  }

  /**
   * The JSON of `event`.
   * @throws {PayloadTooLargeError}
   */
  encode(event: ServiceEvent): string {
    return encodeWithin(event, this.#options.maxPayloadBytes);
  }

  isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Hands a reply to its caller.
   * @returns false when it comes too early
   */
  receive([requestId, attempt, number, last, body]: ReplyFrame, id: string): boolean {
    const request = this.#waiting.get(requestId);
    if (!request) return true;
    if (last !== 2) return request.receive(attempt, number, last === 1, body, id);
    request.failed(failureOf(body));
    return true;
  }

  #checkPartitions(client: Connection['client']): Promise<void> {
    return this.#number ? this.#number.checkNumber(client) : refusePartitions(client, this.#keys);
  }

  #openResponses(): LegacyResponses {
    const receive = (requestId: string, json: string, id: string): void => {
      this.#waiting.get(requestId)?.receiveResponse(json, id);
    };
    return this.context.legacy.watchResponses(this.#source, receive, (error) =>
      this.#listener.error?.(error),
    );
  }

  #openInbox(): ReplyInbox {
    const key = this.#keys.inbox(this.clientId) as string;
    return new ReplyInbox(this.#source, this.context, key, this, this.#listener);
  }
}
