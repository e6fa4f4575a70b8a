import { letterOf, malformed } from './dead-letters/dead-letters.js';
import { ConnectionError, DequeueError, EventQueueError } from './errors.js';
import type { Outcomes } from './handling/outcomes.js';
import type { Competition } from './interop/competition.js';
import type { QueueKeys } from './keys.js';
import { QueueReader } from './queue-reader.js';
import type { Connection } from './redis/connection.js';
import { isReplyError } from './redis/redis-errors.js';
import type { RedisSource } from './redis/redis-source.js';
import type { StreamEntry } from './redis/stream-entries.js';
import { ServiceEvent, type TimestampedEvent } from './service-event.js';
import { nudgeOf, readEntry, type QueuedEvent } from './wire/entry.js';

/** Takes events out of the queue for good, one by one. It joins the consumer group with the first call. */
export class EventTaker {
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #connection: Connection;
  readonly #competition: Competition;
  readonly #outcomes: Outcomes;
  #reader: QueueReader | undefined;

  constructor(
    source: RedisSource,
    keys: QueueKeys,
    connection: Connection,
    competition: Competition,
    outcomes: Outcomes,
  ) {
    this.#source = source;
    this.#keys = keys;
    this.#connection = connection;
    this.#competition = competition;
    this.#outcomes = outcomes;
  }

  /**
   * Asks for an entry. @returns `undefined` when it is no event for this caller
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError}
   * @throws {ConnectionError}
   */
  async take(ask: (reader: QueueReader) => Promise<StreamEntry>): Promise<TimestampedEvent | undefined> {
    this.#reader ??= new QueueReader(this.#source, this.#keys, this.#connection, this.#competition);
    try {
      return await this.#accept(await ask(this.#reader), this.#reader.worker);
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

  /** Ends the calls that wait. */
  async close(): Promise<void> {
    await this.#reader?.close();
  }

  async #accept(entry: StreamEntry, worker: string): Promise<TimestampedEvent | undefined> {
    if (nudgeOf(entry) !== undefined) {
      await this.#outcomes.discard(entry[0]);
      return undefined;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      const dead = malformed(entry);
      await this.#outcomes.deadLetter(dead, letterOf(dead, 'malformed', error, worker, Date.now()));
      throw error;
    }
    // A response of the original.
    if (!queued) {
      await this.#outcomes.skip(entry);
      return undefined;
    }
    return (await this.#outcomes.finish(queued)) ? [queued.timestamp, eventFor(queued)] : undefined;
  }
}

/** A consumer's event: who answers a deduplicated request must reach all who wait for it. */
function eventFor({ event, origin, deduplication }: QueuedEvent): ServiceEvent {
  if (deduplication === undefined) return event;
  const { timeout, action, payload, requestId, replyTo } = event;
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, { origin, deduplication });
}
