import type { QueueContext } from '../context/queue-context.js';
import { ConnectionError, DequeueError, EmptyQueueError, EventQueueError } from '../model/errors.js';
import { ACKNOWLEDGE, DROP, LEAVE_TO_LEGACY } from '../settling/outcome.js';
import type { OutcomeWriter } from '../settling/outcome-writer.js';
import { EntryReader } from './entry-reader.js';
import { DEFAULTS, formatValue } from '../model/options.js';
import { Recoverer } from '../maintenance/recoverer.js';
import { AbandonmentPolicy } from '../maintenance/abandonment-policy.js';
import { isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { ServiceEvent, type TimestampedEvent } from '../model/service-event.js';
import type { Dequeuer } from './dequeuer.js';
import type { Waiters } from './waiters.js';
import { entryWithoutEvent, nudgeOf, readEntry, type QueuedEvent } from '../model/entry.js';

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
export class QueueDequeuer implements Dequeuer {
  readonly #context: QueueContext;
  readonly #source: RedisSource;
  readonly #writer: OutcomeWriter;
  readonly #partition: DequeuerOfPartition | undefined;
  /** The ids of the entries that are being taken out of the queue. */
  readonly #inHand = new Set<string>();
  #entries: EntryReader | undefined;
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

  async dequeueNow(): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent(async (reader) => {
      const entry = await reader.next();
      if (entry) return entry;
      throw new EmptyQueueError(`no event is waiting in the queue ${formatValue(this.#context.keys.queue)}`);
    });
  }

  async dequeueBy(deadline: number): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent((reader) => reader.nextBy(deadline));
  }

  /** Takes the event of an entry that its reader has read. */
  async dequeueEntry(entry: StreamEntry): Promise<TimestampedEvent | undefined> {
    return this.#dequeueEvent(() => Promise.resolve(entry));
  }

  /** Joins the consumer group, so that the reader reads for calls that wait. */
  join(): void {
    this.#entries ??= this.#join();
  }

  /**
   * Asks for an entry.
   * @returns `undefined` when it is no event for this caller
   * @throws {JsonParseError} when the entry is not an event; it is among the dead letters then
   * @throws {DequeueError}
   * @throws {ConnectionError}
   */
  async #dequeueEvent(
    ask: (reader: EntryReader) => Promise<StreamEntry>,
  ): Promise<TimestampedEvent | undefined> {
    this.#entries ??= this.#join();
    try {
      const entry = await ask(this.#entries);
      const [id] = entry;
      this.#inHand.add(id);
      return await this.#accept(entry, this.#entries.worker).finally(() => this.#inHand.delete(id));
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
    this.#entries?.giveUp(error);
  }

  async closeDequeuer(): Promise<void> {
    this.#recoverer?.stopAll();
    await this.#entries?.closeReader();
  }

  #join(): EntryReader {
    const reader = new EntryReader(
      this.#source,
      this.#context,
      this.#partition?.waiters,
      this.#partition?.index,
    );
    const abandonmentPolicy = new AbandonmentPolicy(this.#context, this.#writer, 1, {
      modeOf: () => 'once',
      holdsKey: () => false,
      // Nobody is there to notify. The dead letter has the reason.
      notHandled: () => undefined,
    });
    this.#recoverer = new Recoverer(this.#context, {
      worker: reader.worker,
      leaseMs: DEFAULTS.lease,
      // Workers come first, because they know which messages may be started again.
      patienceLeases: 2,
      inHand: () => this.#inHand,
      found: (entry) => abandonmentPolicy.recover(entry),
    });
    return reader;
  }

  async #accept(entry: StreamEntry, worker: string): Promise<TimestampedEvent | undefined> {
    if (nudgeOf(entry) !== undefined) {
      await this.#writer.writeOutcome(entryWithoutEvent(entry), DROP, worker);
      return undefined;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      const outcome = { kind: 'dead-letter', reason: 'malformed', error } as const;
      await this.#writer.writeOutcome(entryWithoutEvent(entry), outcome, worker);
      throw error;
    }
    // The entry holds no event: see `readEntry`.
    if (!queued) {
      await this.#writer.writeOutcome(entryWithoutEvent(entry), LEAVE_TO_LEGACY, worker);
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
  const deduplicatedReply = deduplication === undefined ? undefined : { origin, deduplication };
  return new ServiceEvent(timeout, action, payload, requestId, replyTo, deduplicatedReply, partition);
}
