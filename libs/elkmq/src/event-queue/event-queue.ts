import type { DeadLetterQueue } from '../dead-letters/dead-letter-queue.js';
import { ConnectionError, InvalidOptionError, OlderWorkerError } from '../model/errors.js';
import type { Dequeuer } from './dequeuer.js';
import { openParts, type QueueParts } from './queue-parts.js';
import { parseListener } from '../model/listener.js';
import { checkGivenOptions, formatValue, parseMilliseconds, parseQueueName } from '../model/options.js';
import { parseOrderingKey } from '../model/ordering-key.js';
import { parsePartitions, type PartitionOptions } from '../model/partitions.js';
import { readWholeState } from '../admin/partitioned-state.js';
import type { QueueState } from '../admin/queue-state.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { sendingOptions, type SendingOptions } from '../requests/sending-options.js';
import {
  checkIsEvent,
  type ServiceEvent,
  type Timestamp,
  type TimestampedEvent,
} from '../model/service-event.js';
import { decodeReply } from '../model/codec.js';
import { timestampOf } from '../model/stream-id.js';

/** The options of an `EventQueue`. */
export interface EventQueueOptions extends SendingOptions, PartitionOptions {
  /**
   * Fetches the credentials of this queue, in place of a password in `redis`. It is called before the first
   * connection, before `expiresAt`, and when Redis refuses the credentials. All connections share its answer.
   * Those that stand log in again.
   */
  credentials?: CredentialsFunction;
  /**
   * Is called with errors that no call of the queue throws, such as a connection that broke, or an
   * `OlderWorkerError`. Default: an `OlderWorkerError` is a warning of the process, and the others are not
   * reported. When it throws, that is a warning of the process.
   */
  onError?: (error: Error) => void;
}

const OPTIONS = Object.keys({
  credentials: true,
  enqueueTimeout: true,
  legacyConsumers: true,
  maxBufferedBytes: true,
  maxPayloadBytes: true,
  maxQueueLength: true,
  minReplicas: true,
  onError: true,
  partitions: true,
  partitionsForTests: true,
} satisfies Record<keyof EventQueueOptions, true>);

/** The options of one event. */
export interface EnqueueEventOptions {
  /**
   * Events with one key are handled one at a time, in the order in which this process has stored them: 1 to
   * 256 bytes of UTF-8. Default: no order.
   */
  readonly orderingKey?: string | undefined;
}

/**
 * A queue of events in Redis. Any number of producers and consumers share it. Each event goes to one
 * consumer, once. The queue connects at once; call `close` in the end.
 */
export class EventQueue {
  /** The messages that were not handled. They can be read, retried and removed. */
  readonly deadLetters: DeadLetterQueue;
  readonly #parts: QueueParts;
  readonly #requester: QueueParts['requester'];
  readonly #timeoutMs: number;
  readonly #dequeuer: Dequeuer;
  #closed: Promise<void> | undefined;

  /**
   * @param name any text; legacy clients find the queue by the same name
   * @param redis address of Redis; default redis://127.0.0.1:6379
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly name: string,
    redis?: RedisSourceInput,
    options: EventQueueOptions = {},
  ) {
    checkGivenOptions('EventQueue', options, OPTIONS);
    const source = new RedisSource(redis, options.credentials);
    parseQueueName(name);
    const sending = sendingOptions(options, source.isCluster);
    const partitions = parsePartitions(name, options, source.isCluster);
    if (partitions !== undefined && sending.legacyConsumers) {
      throw new InvalidOptionError('legacyConsumers must not be given with partitions, got true');
    }
    this.#timeoutMs = sending.enqueueTimeout;
    this.#parts = openParts(source, name, partitions, sending, {
      status: (status) => {
        if (status === 'closed') this.#ended();
      },
      error: errorListener(options.onError),
    });
    this.#requester = this.#parts.requester;
    this.#dequeuer = this.#parts.dequeuer;
    this.deadLetters = this.#parts.deadLetters;
  }

  /**
   * Stores an event.
   * @returns the time at which Redis registered it, ms since 1970
   * @throws {InvalidOptionError} when the ordering key is wrong, or there is another option
   * @throws {EnqueueError} when Redis refuses it
   * @throws {QueueFullError} when the queue is full
   * @throws {BufferFullError} when too much is waiting for Redis
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError} when Redis was away for too long; the event may have been stored, but is not
   * sent again
   */
  async enqueue(event: ServiceEvent, options: EnqueueEventOptions = {}): Promise<Timestamp> {
    this.#check(event);
    checkGivenOptions('enqueue', options, ['orderingKey']);
    const { orderingKey } = options;
    const key = orderingKey === undefined ? undefined : parseOrderingKey(orderingKey);
    return timestampOf(await this.#requester.enqueue(event, { orderingKey: key }));
  }

  /**
   * Takes the next event. The event leaves the queue, and no other caller gets it. Its timeout may have
   * passed. The next event of its ordering key may be taken at once: events of a key are taken in order, but
   * not handled one at a time. A pause of the queue does not hold it back, because the application asks for
   * each event itself.
   * @throws {EmptyQueueError} when none is waiting
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError} when Redis refuses
   * @throws {ConnectionError}
   */
  async dequeue(): Promise<TimestampedEvent> {
    return this.#take(() => this.#dequeuer.dequeueNow());
  }

  /**
   * Takes the next event, as `dequeue` does, and waits for one if none is there.
   * @param seconds time to wait; 0 waits for ever
   */
  async dequeueBlocking(seconds: number): Promise<TimestampedEvent> {
    if (typeof seconds !== 'number' || !(seconds >= 0)) {
      throw new InvalidOptionError(
        `seconds must be a number of at least 0 (0 waits for ever), got ${formatValue(seconds)}`,
      );
    }
    const deadline = seconds === 0 ? Infinity : performance.now() + seconds * 1_000;
    return this.#take(() => this.#dequeuer.dequeueBy(deadline));
  }

  /**
   * Stores an event and waits for the response to it, for `event.timeout` seconds from now.
   * @returns the time at which Redis registered the response, ms since 1970, and the response
   * @throws {TimeoutExpiredError} when none came; the event is cancelled if nobody has taken it yet
   * @throws {EnqueueError}
   * @throws {QueueFullError}
   * @throws {BufferFullError}
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError}
   */
  async awaitResponse(event: ServiceEvent): Promise<TimestampedEvent> {
    this.#check(event);
    return new Promise((resolve, reject) => {
      let latest: unknown = null;
      this.#requester.request(event, event.timeout * 1_000, {
        reply: (body, last, id) => {
          latest = body ?? latest;
          if (!last) return;
          try {
            resolve([timestampOf(id), decodeReply(latest, event)]);
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
        failed: reject,
      });
    });
  }

  /**
   * Answers a request, with `ServiceEvent.responseTo(request, …)`. A caller that does not wait any more gets
   * nothing.
   * @returns the time at which Redis registered the response, ms since 1970
   * @throws {EnqueueError}
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError}
   */
  async enqueueResponse(response: ServiceEvent): Promise<Timestamp> {
    this.#check(response);
    return this.#parts.respond(response, this.#requester.encode(response));
  }

  /**
   * The state of the queue now.
   * @param timeout time that Redis may take, ms; default: the `enqueueTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout?: number): Promise<QueueState> {
    if (this.#closed) throw this.#wasClosed();
    const timeoutMs = parseMilliseconds('timeout', timeout, this.#timeoutMs);
    return readWholeState(this.#requester.connection, this.#parts.keys, timeoutMs);
  }

  /** Sends what is waiting, ends calls that wait, and closes the connections. It can be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The connection does not come back: whoever waits would wait for ever. */
  #ended(): void {
    // It rejects with the reason.
    this.#requester.connect().catch((error: unknown) => {
      this.#dequeuer.giveUp(error as Error);
    });
  }

  async #close(): Promise<void> {
    await this.#dequeuer.closeDequeuer();
    await this.#requester.close(new ConnectionError(`the queue ${formatValue(this.name)} was closed`));
  }

  /** Asks for entries until one holds an event for this caller. */
  async #take(ask: () => Promise<TimestampedEvent | undefined>): Promise<TimestampedEvent> {
    for (;;) {
      if (!this.#closed) await this.#requester.connectToTake();
      if (this.#closed) throw this.#wasClosed();
      const taken = await ask();
      if (taken) return taken;
    }
  }

  #check(event: ServiceEvent): void {
    if (this.#closed) throw this.#wasClosed();
    checkIsEvent('event', event);
  }

  #wasClosed(): ConnectionError {
    return new ConnectionError(`the queue ${formatValue(this.name)} is closed`);
  }
}

/** @throws {InvalidOptionError} when it is no function */
function errorListener(onError: unknown): (error: Error) => void {
  const listener = parseListener<Error>('onError', onError);
  if (listener) return listener;
  return (error) => {
    if (error instanceof OlderWorkerError) process.emitWarning(error);
  };
}
