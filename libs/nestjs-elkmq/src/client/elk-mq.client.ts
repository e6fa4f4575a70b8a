import { Logger } from '@nestjs/common';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import type { Cluster, Redis } from 'ioredis';
import { lastValueFrom, Observable } from 'rxjs';
import { ConnectionError, type QueueState } from 'elkmq';
import {
  type ConnectionListener,
  keysOfPartitions,
  openPublisher,
  parseMilliseconds,
  PartitionedRequester,
  QueueKeys,
  readTopicState,
  readWholeState,
  Requester,
  sumOfStates,
  topicPartitions,
} from 'elkmq/internal';
import { ConnectionEvents, type ElkMqEvents, type ElkMqStatus } from '../connection-events.js';
import { Emission } from './emission.js';
import { LossReport } from './loss-report.js';
import type { ElkMqClientOptions } from '../options.js';
import { clientOptions, type ClientSettings } from '../parsed-options.js';
import { OutgoingMessages, type RequesterLike } from './outgoing-messages.js';
import { safeLog } from '../safe-log.js';
import { UnstoredEvents } from './unstored-events.js';

type CreatePacket = (pattern: unknown, data: unknown) => ReadPacket;

/**
 * A Nest client for a queue: `send` stores a request and emits the replies of its handler, `emit` stores an
 * event. For a topic, `emit` publishes an event to its subscriptions. Errors of the transport are instances
 * of `EventQueueError`. An error of a handler arrives in the form that Nest gives it.
 */
export class ElkMqClient extends ClientProxy<ElkMqEvents> {
  readonly #log = safeLog(new Logger('ElkMqClient'));
  readonly #options: ClientSettings;
  readonly #lost = new LossReport((message) => {
    this.#log.error(message);
  });
  readonly #outgoing: OutgoingMessages;
  readonly #events: ConnectionEvents;
  #requester: RequesterLike | undefined;
  /** The events since the last call of `close`. */
  #unstored = new UnstoredEvents();
  /** Resolves when the events before the last call of `close` are stored. */
  #stored: Promise<unknown> = Promise.resolve();
  /** Resolves when the connections are closed that calls of `close` have found. */
  #closed: Promise<unknown> = Promise.resolve();

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqClientOptions) {
    super();
    this.#options = clientOptions(options);
    this.#events = new ConnectionEvents(
      this.#options.queue,
      (status) => {
        this._status$.next(status);
      },
      this.#log,
    );
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
    this.#outgoing = new OutgoingMessages(
      this.#options,
      this.serializer,
      this.deserializer,
      (pattern) => this.normalizePattern(pattern as never),
      (message) => {
        this.#log.error(message);
      },
      () => this.#connected(),
    );
  }

  // The type is narrowed here. With the type parameter of the base, the class would not be a
  // `Type<ClientProxy>`.
  override get status(): Observable<ElkMqStatus> {
    return super.status as Observable<ElkMqStatus>;
  }

  /**
   * Resolves when the client is connected. `send` and `emit` connect by themselves.
   * @throws {ConnectionError}
   */
  async connect(): Promise<void> {
    await this.#opened().connect();
  }

  /**
   * Stores the events that are not in Redis yet, fails the requests that still wait, and closes the
   * connections. It does not wait for events that are emitted after the call. A `send` or `emit`
   * afterwards opens new connections.
   */
  async close(): Promise<void> {
    const unstored = this.#unstored;
    this.#unstored = new UnstoredEvents();
    this.#stored = Promise.all([this.#stored, unstored.drained()]);
    await this.#stored;
    this.#lost.report();
    const requester = this.#requester;
    this.#requester = undefined;
    if (requester) {
      const error = new ConnectionError(`the client of the queue '${this.#options.queue}' was closed`);
      this.#closed = Promise.all([this.#closed, requester.close(error)]);
    }
    await this.#closed;
  }

  override on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#events.on(event, callback);
  }

  /**
   * Reads the state of the queue; of a topic the sum of its subscriptions. Connects if it has to.
   * @param timeout the time that Redis may take, ms; default: the `enqueueTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout?: number): Promise<QueueState> {
    const timeoutMs = parseMilliseconds('timeout', timeout, this.#options.sending.enqueueTimeout);
    return this.readState(this.#opened(), timeoutMs);
  }

  /** @internal Reads the state from Redis. A test queue has another one. */
  protected async readState({ connection }: RequesterLike, timeoutMs: number): Promise<QueueState> {
    const { source, queue, topic, partitions } = this.#options;
    if (topic !== undefined) {
      const keys = topicPartitions(topic, partitions);
      const { subscriptions, away } = await readTopicState(connection, keys, timeoutMs);
      return { ...sumOfStates(subscriptions), ...(partitions && { partitions }), ...(away && { away }) };
    }
    const keys = keysOfPartitions(queue, source.isCluster, partitions);
    return readWholeState(connection, keys, timeoutMs);
  }

  /**
   * @returns the ioredis client that stores messages
   * @throws {Error} when the client is not connected
   */
  unwrap<T = Redis | Cluster>(): T {
    if (!this.#requester) throw new Error('Not connected. Call "connect" first.');
    return this.#requester.connection.client as T;
  }

  /**
   * Works like Nest's `send`. Nest's own keeps every message that is sent before there is a connection,
   * without a limit; here `maxBufferedBytes` is the limit. With a topic it fails with an `InvalidEventError`.
   */
  override send<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    return new Observable((observer) =>
      isComplete(pattern, data)
        ? this.publish(this.#packetOf(pattern, data), this.createObserver(observer))
        : super.send<TResult, TInput>(pattern, data).subscribe(observer),
    );
  }

  /** Works like Nest's `emit`. A failure is logged when nobody has subscribed. */
  override emit<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    const emission = new Emission<TResult>();
    const unstored = this.#unstored;
    unstored.begin();
    this.#dispatch<TResult>(pattern, data).then(
      (value) => {
        unstored.end();
        emission.succeeded(value);
      },
      (error: unknown) => {
        unstored.end();
        if (!emission.isWatched) this.#lost.add(error);
        emission.failed(error);
      },
    );
    return new Observable((observer) => {
      emission.watch(observer);
    });
  }

  #dispatch<T>(pattern: unknown, data: unknown): Promise<T> {
    if (!isComplete(pattern, data)) return lastValueFrom(super.emit<T>(pattern, data));
    try {
      return this.dispatchEvent<T>(this.#packetOf(pattern, data));
    } catch (error) {
      const reason = error as Error;
      return Promise.reject(reason);
    }
  }

  #packetOf(pattern: unknown, data: unknown): ReadPacket {
    this.#opened();
    // Before Nest 12.1 there are no dispatch hooks.
    return (this.createPacket as CreatePacket | undefined)?.call(this, pattern, data) ?? { pattern, data };
  }

  protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    let end: (() => void) | undefined = this.#outgoing.request(packet, callback);
    return () => {
      end?.();
      // RxJS keeps this function, so it must let go of the request: see "No literal" in docs/performance.md.
      end = undefined;
    };
  }

  protected override dispatchEvent<T = void>(packet: ReadPacket): Promise<T> {
    return this.#outgoing.store(packet) as Promise<T>;
  }

  #opened(): RequesterLike {
    return (this.#requester ??= this.openRequester(this.#events));
  }

  #connected(): RequesterLike {
    if (!this.#requester)
      throw new ConnectionError(`the client of the queue '${this.#options.queue}' is closed`);
    return this.#requester;
  }

  /** @internal Makes the object that stores messages. A test queue makes another one. */
  protected openRequester(listener: ConnectionListener): RequesterLike {
    const { source, queue, topic, sending, partitions } = this.#options;
    if (topic !== undefined) {
      return openPublisher(source, topic, partitions, sending, listener);
    }
    if (partitions !== undefined) {
      return new PartitionedRequester(source, queue, partitions, sending, listener);
    }
    const keys = new QueueKeys(queue, source.isCluster);
    return new Requester(source, keys, sending, listener);
  }
}

/** Whether nothing is missing. When something is, Nest's own method is called, and refuses it. */
function isComplete(pattern: unknown, data: unknown): boolean {
  return pattern !== undefined && pattern !== null && data !== undefined && data !== null;
}
