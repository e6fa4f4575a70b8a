import type { QueueContext } from '../context/queue-context.js';
import { describeEntry } from '../dead-letters/dead-letter.js';
import { ConnectionError, DequeueError, EventQueueError } from '../model/errors.js';
import { ACKNOWLEDGE, DROP, LEAVE_TO_LEGACY } from '../settling/outcome.js';
import type { OutcomeWriter } from '../settling/outcome-writer.js';
import { Dequeuer } from './queue-reader.js';
import { DEFAULTS } from '../model/options.js';
import { Recoverer } from '../maintenance/recoverer.js';
import { AbandonmentPolicy } from '../maintenance/abandonment-policy.js';
import { isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { ServiceEvent, type TimestampedEvent } from '../model/service-event.js';
import { nudgeOf, readEntry, type QueuedEvent } from '../model/entry.js';

/**
 * Takes events out of the queue for good, one by one. The first call joins the consumer group. From then on
 * it looks for messages of dequeuers and workers that have gone.
 */
export class EventDequeuer {
  readonly #context: QueueContext;
  readonly #source: RedisSource;
  readonly #writer: OutcomeWriter;
  /** The ids of the entries that are being taken out of the queue. */
  readonly #inHand = new Set<string>();
  #reader: Dequeuer | undefined;
  #recoverer: Recoverer | undefined;

  constructor(source: RedisSource, context: QueueContext, writer: OutcomeWriter) {
    this.#context = context;
    this.#source = source;
    this.#writer = writer;
  }

  /**
   * Asks for an entry.
   * @returns `undefined` when it is no event for this caller
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError}
   * @throws {ConnectionError}
   */
  async dequeueEvent(ask: (reader: Dequeuer) => Promise<StreamEntry>): Promise<TimestampedEvent | undefined> {
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
  async closeDequeuer(): Promise<void> {
    this.#recoverer?.stopAll();
    await this.#reader?.closeReader();
  }

  #join(): Dequeuer {
    const reader = new Dequeuer(this.#source, this.#context);
    const recovery = new AbandonmentPolicy(this.#context, this.#writer, 1, {
      modeOf: () => 'once',
      holdsKey: () => false,
      // Nobody is there to notify. The dead letter has the reason.
      notHandled: () => undefined,
    });
    this.#recoverer = new Recoverer(this.#context, {
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
      await this.#writer.writeOutcome(describeEntry(entry), DROP, worker);
      return undefined;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      const outcome = { kind: 'dead-letter', reason: 'malformed', error } as const;
      await this.#writer.writeOutcome(describeEntry(entry), outcome, worker);
      throw error;
    }
    // The entry holds no event: see `readEntry`.
    if (!queued) {
      await this.#writer.writeOutcome(describeEntry(entry), LEAVE_TO_LEGACY, worker);
      return undefined;
    }
    const isTaken = await this.#writer.writeOutcome(queued, ACKNOWLEDGE, worker);
    return isTaken ? [queued.timestamp, eventFor(queued)] : undefined;
  }
}

/** The event for the caller of `dequeue`. Its response must reach all who wait for a deduplicated request. */
function eventFor({ event, origin, deduplication }: QueuedEvent): ServiceEvent {
  if (deduplication === undefined) return event;
  const { timeout, action, payload, requestId, replyTo } = event;
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, { origin, deduplication });
}
