import { letterOf, malformed } from './dead-letters/dead-letters.js';
import { ConnectionError, DequeueError, EventQueueError } from './errors.js';
import type { Outcomes } from './handling/outcomes.js';
import type { Competition } from './interop/competition.js';
import type { QueueKeys } from './keys.js';
import { QueueReader } from './queue-reader.js';
import type { Connection } from './redis/connection.js';
import { DEFAULTS } from './options.js';
import { Recoverer } from './recovery/recoverer.js';
import { Recovery } from './recovery/recovery.js';
import { RedisClock } from './redis/redis-clock.js';
import { isReplyError } from './redis/redis-errors.js';
import type { RedisSource } from './redis/redis-source.js';
import type { StreamEntry } from './redis/stream-entries.js';
import { ServiceEvent, type TimestampedEvent } from './service-event.js';
import { nudgeOf, readEntry, type QueuedEvent } from './wire/entry.js';

/**
 * Takes events out of the queue for good, one by one. The first call joins the consumer group. From then on
 * it looks for messages of dequeuers and workers that have gone.
 */
export class EventTaker {
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #connection: Connection;
  readonly #competition: Competition;
  readonly #outcomes: Outcomes;
  /** The ids of the entries that are being taken out of the queue. */
  readonly #inHand = new Set<string>();
  #reader: QueueReader | undefined;
  #recoverer: Recoverer | undefined;

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
   * Asks for an entry.
   * @returns `undefined` when it is no event for this caller
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError}
   * @throws {ConnectionError}
   */
  async take(ask: (reader: QueueReader) => Promise<StreamEntry>): Promise<TimestampedEvent | undefined> {
    this.#reader ??= this.#join();
    try {
      const entry = await ask(this.#reader);
      const [id] = entry;
      this.#inHand.add(id);
      return await this.#accept(entry, this.#reader.worker).finally(() => this.#inHand.delete(id));
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

  /** Fails the calls that wait. */
  giveUp(error: Error): void {
    this.#reader?.giveUp(error);
  }

  /** Ends the calls that wait. */
  async close(): Promise<void> {
    this.#recoverer?.stop();
    await this.#reader?.close();
  }

  #join(): QueueReader {
    const connection = this.#connection;
    const keys = this.#keys;
    const reader = new QueueReader(this.#source, keys, connection, this.#competition);
    const recovery = new Recovery(connection, keys, this.#competition, this.#outcomes, new RedisClock(), 1, {
      modeOf: () => 'once',
      // Nobody is there to notify. The dead letter has the reason.
      dropped: () => undefined,
    });
    this.#recoverer = new Recoverer(connection, keys, {
      worker: reader.worker,
      lease: DEFAULTS.lease,
      // Workers come first, because they know which messages may be started again.
      patienceLeases: 2,
      inHand: () => this.#inHand,
      found: (entry) => recovery.recover(entry),
    });
    return reader;
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
    // The entry is a legacy response.
    if (!queued) {
      await this.#outcomes.skip(entry);
      return undefined;
    }
    return (await this.#outcomes.finish(queued)) ? [queued.timestamp, eventFor(queued)] : undefined;
  }
}

/** The event for the caller of `dequeue`. Its response must reach all who wait for a deduplicated request. */
function eventFor({ event, origin, deduplication }: QueuedEvent): ServiceEvent {
  if (deduplication === undefined) return event;
  const { timeout, action, payload, requestId, replyTo } = event;
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, { origin, deduplication });
}
