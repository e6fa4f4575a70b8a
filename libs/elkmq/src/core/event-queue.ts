import { decodeReply } from './wire/codec.js';
import type { StreamEntry } from './redis/stream-entries.js';
import { DeadLetters } from './dead-letters/dead-letter-office.js';
import { letterOf, malformed } from './dead-letters/dead-letters.js';
import { nudgeOf, readEntry, timestampOf, type QueuedEvent } from './wire/entry.js';
import {
  ConnectionError,
  DequeueError,
  EmptyQueueError,
  EnqueueError,
  EventQueueError,
  InvalidEventError,
  InvalidOptionError,
} from './errors.js';
import { Competition } from './interop/competition.js';
import { QueueKeys } from './keys.js';
import { queueName, shown } from './options.js';
import { Outcomes } from './handling/outcomes.js';
import { QueueReader } from './queue-reader.js';
import { readQueueState, type QueueState } from './queue-state.js';
import { RedisSource, type RedisSourceInput } from './redis/redis-source.js';
import { isReplyError } from './redis/redis-errors.js';
import { callReliably } from './redis/reliable-call.js';
import { hyphenated } from './wire/request-ids.js';
import { Requester } from './sending/requester.js';
import { sendingOptions, type SendingOptions } from './sending/sending-options.js';
import { ServiceEvent, type Timestamp, type TimestampedEvent } from './service-event.js';

/**
 * A queue of events in Redis, which any number of producers and consumers share. Each event goes to one consumer,
 * once. Connects at once; `close` it in the end.
 */
export class EventQueue {
  /** The messages that were not handled: to look at, to retry, to remove. */
  readonly deadLetters: DeadLetters;
  readonly #keys: QueueKeys;
  readonly #source: RedisSource;
  readonly #requester: Requester;
  readonly #competition: Competition;
  readonly #patience: number;
  readonly #outcomes: Outcomes;
  #reader: QueueReader | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param name any text; the original's clients find the queue by the same name
   * @param redis where Redis is; default redis://127.0.0.1:6379
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly name: string,
    redis?: RedisSourceInput,
    options: SendingOptions = {},
  ) {
    this.#source = new RedisSource(redis);
    this.#keys = new QueueKeys(queueName(name), this.#source.isCluster);
    const sending = sendingOptions(options, this.#source.isCluster);
    this.#patience = sending.enqueueTimeout;
    this.#requester = new Requester(this.#source, this.#keys, sending);
    this.#competition = new Competition(sending.legacyConsumers);
    this.#outcomes = new Outcomes(this.#requester.connection, this.#keys, this.#competition, this.#patience);
    this.deadLetters = new DeadLetters(this.#requester.connection, this.#keys, this.#patience);
  }

  /**
   * Stores an event. @returns when Redis registered it, ms since 1970
   * @throws {EnqueueError} when Redis refuses it
   * @throws {QueueFullError} when the queue is full
   * @throws {BufferFullError} when too much is waiting for Redis
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError} when Redis was away for too long; the event may have been stored, but is not sent again
   */
  async enqueue(event: ServiceEvent): Promise<Timestamp> {
    this.#check(event);
    return timestampOf(await this.#requester.enqueue(event));
  }

  /**
   * Takes the next event. It is this caller's alone, and out of the queue.
   * @throws {EmptyQueueError} when none is waiting
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError} when Redis refuses
   * @throws {ConnectionError}
   */
  async dequeue(): Promise<TimestampedEvent> {
    return this.#take(async (reader) => {
      const entry = await reader.next();
      if (!entry) throw new EmptyQueueError(`no event is waiting in the queue ${shown(this.name)}`);
      return entry;
    });
  }

  /**
   * As `dequeue`, but waits for an event.
   * @param seconds how long; 0 for ever
   */
  async dequeueBlocking(seconds: number): Promise<TimestampedEvent> {
    if (typeof seconds !== 'number' || !(seconds >= 0)) {
      throw new InvalidOptionError(
        `seconds must be a number of at least 0 (0 waits for ever), got ${shown(seconds)}`,
      );
    }
    const deadline = seconds === 0 ? Infinity : performance.now() + seconds * 1_000;
    return this.#take((reader) => reader.nextBy(deadline));
  }

  /**
   * Stores an event and waits for the response to it, `event.timeout` seconds from now.
   * @throws {TimeoutExpiredError} when none came; the event is withdrawn, if nobody has taken it yet
   * @throws {EnqueueError}
   * @throws {QueueFullError}
   * @throws {BufferFullError}
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError}
   */
  async awaitResponse(event: ServiceEvent): Promise<ServiceEvent> {
    this.#check(event);
    return new Promise((resolve, reject) => {
      let latest: unknown = null;
      this.#requester.request(event, event.timeout * 1_000, {
        reply: (body, last) => {
          latest = body ?? latest;
          if (!last) return;
          try {
            resolve(decodeReply(latest, event));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
        failed: reject,
      });
    });
  }

  /**
   * Answers a request, with `ServiceEvent.responseTo(request, …)`. Who does not wait any more is not sent anything.
   * @returns when Redis registered the response, ms since 1970
   * @throws {EnqueueError}
   * @throws {PayloadTooLargeError}
   * @throws {ConnectionError}
   */
  async enqueueResponse(response: ServiceEvent): Promise<Timestamp> {
    this.#check(response);
    const json = this.#requester.encode(response);
    const inbox = response.replyTo === undefined ? undefined : this.#keys.inbox(response.replyTo);
    try {
      const { connection } = this.#requester;
      if (response.shared) {
        return await this.#outcomes.sharing.respond(response, response.shared, JSON.stringify(json));
      }
      if (inbox !== undefined) {
        const frame = `[["${response.requestId}",1,0,1,${JSON.stringify(json)}]]`;
        return timestampOf(String(await callReliably(connection, 'reply', [inbox], [frame], this.#patience)));
      }
      const keys = [this.#keys.eventStream, this.#keys.responseStream];
      const args = [hyphenated(response.requestId), json];
      return timestampOf(String(await callReliably(connection, 'respond', keys, args, this.#patience)));
    } catch (error) {
      if (error instanceof EventQueueError) throw error;
      throw new EnqueueError(`Redis refused to store the response: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /**
   * How the queue is now.
   * @param timeout how long Redis may take, ms; default: the `enqueueTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout = this.#patience): Promise<QueueState> {
    if (this.#closed) throw this.#wasClosed();
    return readQueueState(this.#requester.connection, this.#keys, timeout);
  }

  /** Sends what is waiting, ends calls that wait, and closes the connections. Can be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#reader?.close();
    await this.#requester.close(new ConnectionError(`the queue ${shown(this.name)} was closed`));
  }

  /** Takes an entry out of the queue for good. @returns `undefined` when it is not for this caller */
  async #accept(entry: StreamEntry): Promise<TimestampedEvent | undefined> {
    if (nudgeOf(entry) !== undefined) {
      await this.#outcomes.discard(entry[0]);
      return undefined;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      const dead = malformed(entry);
      const letter = letterOf(dead, 'malformed', error, this.#reader?.worker ?? '', Date.now());
      await this.#outcomes.deadLetter(dead, letter);
      throw error;
    }
    if (!queued) {
      await this.#outcomes.skip(entry);
      return undefined;
    }
    return (await this.#outcomes.finish(queued)) ? [queued.timestamp, eventFor(queued)] : undefined;
  }

  /** Asks for entries until one is for this caller. */
  async #take(ask: (reader: QueueReader) => Promise<StreamEntry>): Promise<TimestampedEvent> {
    for (;;) {
      const reader = await this.#connectedReader();
      try {
        const taken = await this.#accept(await ask(reader));
        if (taken) return taken;
      } catch (error) {
        if (error instanceof EventQueueError) throw error;
        const { message } = error as Error;
        if (isReplyError(error)) {
          throw new DequeueError(`Redis refused to hand out an event: ${message}`, { cause: error });
        }
        throw new ConnectionError(`Redis went away while it was asked for an event: ${message}`, {
          cause: error,
        });
      }
    }
  }

  async #connectedReader(): Promise<QueueReader> {
    if (!this.#closed) await this.#requester.connect();
    if (this.#closed) throw this.#wasClosed();
    this.#reader ??= new QueueReader(this.#source, this.#keys, this.#requester.connection, this.#competition);
    return this.#reader;
  }

  #check(event: ServiceEvent): void {
    if (this.#closed) throw this.#wasClosed();
    if (!(event instanceof ServiceEvent)) {
      throw new InvalidEventError(`event must be a ServiceEvent, got ${shown(event)}`);
    }
  }

  #wasClosed(): ConnectionError {
    return new ConnectionError(`the queue ${shown(this.name)} is closed`);
  }
}

/** A consumer's event: who answers a deduplicated request must reach all who wait for it. */
function eventFor({ event, origin, deduplication }: QueuedEvent): ServiceEvent {
  if (deduplication === undefined) return event;
  const { timeout, action, payload, requestId, replyTo } = event;
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, { origin, deduplication });
}
