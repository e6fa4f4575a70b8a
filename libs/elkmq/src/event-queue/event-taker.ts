import type { QueueContext } from '../context/queue-context.js';
import { describeEntry } from '../dead-letters/dead-letter.js';
import { ConnectionError, DequeueError, EmptyQueueError, EventQueueError } from '../model/errors.js';
import { ACKNOWLEDGE, DROP, LEAVE_TO_LEGACY } from '../settling/outcome.js';
import type { OutcomeWriter } from '../settling/outcome-writer.js';
import { Dequeuer } from './queue-reader.js';
import { DEFAULTS, formatValue } from '../model/options.js';
import { Recoverer } from '../maintenance/recoverer.js';
import { AbandonmentPolicy } from '../maintenance/abandonment-policy.js';
import { isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { ServiceEvent, type TimestampedEvent } from '../model/service-event.js';
import type { Waiters } from './waiters.js';
import { nudgeOf, readEntry, type QueuedEvent } from '../model/entry.js';

/** Takes events out of a queue. A call that returns `undefined` has found no event, and is made again. */
export interface EventTaker {
  /**
   * Takes the next event, if one is waiting.
   * @throws {EmptyQueueError} when none is waiting
   */
  takeNow(): Promise<TimestampedEvent | undefined>;
  /**
   * Takes the next event, and waits for one.
   * @param deadline `performance.now()` at which to give up; `Infinity` for never
   * @throws {EmptyQueueError} when none has come by then
   */
  takeBy(deadline: number): Promise<TimestampedEvent | undefined>;
  /** Fails the calls that wait. */
  giveUp(error: Error): void;
  /** Ends the calls that wait. */
  closeDequeuer(): Promise<void>;
}

/** The place of a dequeuer among those of all partitions. */
export interface DequeuerOfPartition {
  /** The calls that wait for an event of any partition. */
  readonly waiters: Waiters;
  readonly index: number;
}

/**
 * Takes events out of the queue for good, one by one. The first call joins the consumer group. From then on
 * it looks for messages of dequeuers and workers that have gone.
 */
export class EventDequeuer implements EventTaker {
  readonly #context: QueueContext;
  readonly #source: RedisSource;
  readonly #writer: OutcomeWriter;
  readonly #partition: DequeuerOfPartition | undefined;
  /** The ids of the entries that are being taken out of the queue. */
  readonly #inHand = new Set<string>();
  #reader: Dequeuer | undefined;
  #recoverer: Recoverer | undefined;

  constructor(
    source: RedisSource,
    context: QueueContext,
    writer: OutcomeWriter,
    partition?: DequeuerOfPartition,
  ) {
    this.#context = context;
    this.#partition = partition;
    this.#source = source;
    this.#writer = writer;
  }

  async takeNow(): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent(async (reader) => {
      const entry = await reader.next();
      if (entry) return entry;
      throw new EmptyQueueError(`no event is waiting in the queue ${formatValue(this.#context.keys.queue)}`);
    });
  }

  async takeBy(deadline: number): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent((reader) => reader.nextBy(deadline));
  }

  /** Takes the event of an entry that its reader has read. */
  async takeEntry(entry: StreamEntry): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent(() => Promise.resolve(entry));
  }

  /** Joins the consumer group, so that the reader reads for calls that wait. */
  join(): void {
    this.#reader ??= this.#join();
  }

  /**
   * Asks for an entry.
   * @returns `undefined` when it is no event for this caller
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError}
   * @throws {ConnectionError}
   */
  async #dequeueEvent(
    ask: (reader: Dequeuer) => Promise<StreamEntry>,
  ): Promise<TimestampedEvent | undefined> {
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

  giveUp(error: Error): void {
    this.#reader?.giveUp(error);
  }

  async closeDequeuer(): Promise<void> {
    this.#recoverer?.stopAll();
    await this.#reader?.closeReader();
  }

  #join(): Dequeuer {
    const reader = new Dequeuer(
      this.#source,
      this.#context,
      this.#partition?.waiters,
      this.#partition?.index,
    );
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
    return isTaken ? [queued.timestamp, eventFor(queued, this.#partition?.index)] : undefined;
  }
}

/**
 * The event for the caller of `dequeue`. Its response must reach all who wait for a deduplicated request, in
 * the partition of the request.
 */
function eventFor({ event, origin, deduplication }: QueuedEvent, partition?: number): ServiceEvent {
  if (deduplication === undefined && partition === undefined) return event;
  const { timeout, action, payload, requestId, replyTo } = event;
  const shared = deduplication === undefined ? undefined : { origin, deduplication };
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, shared, partition);
}
