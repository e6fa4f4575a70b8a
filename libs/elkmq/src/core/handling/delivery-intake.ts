import { Arbiter } from '../interop/arbiter.js';
import type { Competition } from '../interop/competition.js';
import type { Read } from './consumer-session.js';
import type { Connection } from '../redis/connection.js';
import { Credit } from './credit.js';
import { malformed, type DeadLetterReason } from '../dead-letters/dead-letters.js';
import { Delivery } from './delivery.js';
import type { Endings } from './endings.js';
import type { GroupConsumer, Intake } from './group-consumer.js';
import type { QueueKeys } from '../keys.js';
import type { Outcomes } from './outcomes.js';
import type { RedisClock } from '../redis/redis-clock.js';
import type { Running } from './running.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import { nudgeOf, readEntry } from '../wire/entry.js';

/** What a worker is told of the entries that it takes. */
export interface IntakeListener {
  handle(delivery: Delivery): void;
  /** A message is due then, ms since 1970 on the clock of Redis. */
  expect(due: number): void;
  dropped(what: string, reason: DeadLetterReason, error?: unknown): void;
  /** Something does not get on for now. */
  heldUp(what: string, error: Error): void;
}

/** The worker that takes entries, as far as it matters here. */
export interface IntakeOwner {
  readonly concurrency: number;
  readonly competition: Competition;
  readonly outcomes: Outcomes;
  readonly endings: Endings;
  readonly clock: RedisClock;
  readonly running: Running<Delivery>;
  /** How many of those that are running have ended, which Redis has been told, but has not confirmed. */
  confirming(): number;
  consumer(): GroupConsumer | undefined;
}

/** Makes deliveries of the entries that a worker has taken, and ends at once what no handler is to have. */
export class DeliveryIntake implements Intake {
  readonly #owner: IntakeOwner;
  readonly #listener: IntakeListener;
  readonly #credit: Credit;
  readonly #arbiter: Arbiter;

  constructor(connection: Connection, keys: QueueKeys, owner: IntakeOwner, listener: IntakeListener) {
    this.#owner = owner;
    this.#listener = listener;
    this.#credit = new Credit(owner.concurrency, () => ({
      taken: owner.running.size + this.#arbiter.size,
      confirming: owner.confirming(),
    }));
    this.#arbiter = new Arbiter(connection, keys, {
      won: (entry, consumer, isLate) => {
        if (isLate && this.#credit.freeSlots <= (owner.consumer()?.asked ?? 0))
          void owner.consumer()?.handBack([entry]);
        // Others have decided on it: it counts as the entry of a read of its own.
        else this.#start(entry, { consumer });
      },
      putBack: (entries) => owner.consumer()?.handBack(entries) ?? Promise.resolve(),
      decided: () => owner.consumer()?.wake(),
      failed: (error) => {
        listener.heldUp('events that original consumers may take', error as Error);
      },
    });
  }

  credit(arriving: number): number {
    return this.#credit.forRead(arriving);
  }

  take(entries: StreamEntry[], asked: number, read: Read): void {
    this.#credit.adapt(entries.length, asked);
    const contested: StreamEntry[] = [];
    let nth = 0;
    for (const entry of entries) {
      if (this.#owner.competition.concerns(entry)) contested.push(entry);
      else this.#start(entry, read, nth);
      nth++;
    }
    if (contested.length > 0) this.#arbiter.add(contested, read.consumer);
  }

  /** Puts back what is not decided by now. */
  stop(): Promise<void> {
    return this.#arbiter.stop();
  }

  #start(entry: StreamEntry, read: Read, nth = 0): void {
    const { outcomes, endings } = this.#owner;
    const [id] = entry;
    const failed = (error: unknown): void => {
      this.#listener.dropped(`entry ${id}`, 'malformed', error);
    };
    const due = nudgeOf(entry);
    if (due !== undefined) {
      this.#listener.expect(due);
      outcomes.discard(id).catch(failed);
      return;
    }
    let queued;
    try {
      queued = readEntry(entry);
    } catch (error) {
      failed(error);
      endings.bury(malformed(entry), 'malformed', read.consumer, error).catch(failed);
      return;
    }
    // A response of the original.
    if (!queued) {
      outcomes.skip(entry).catch(failed);
      return;
    }
    this.#deliver(new Delivery(queued, read, endings, nth));
  }

  #deliver(delivery: Delivery): void {
    const { deduplication } = delivery.queued;
    this.#owner.running.add(delivery);
    if (!delivery.hasExpired) this.#listener.handle(delivery);
    else if (delivery.replyTo === undefined) delivery.deadLetter('expired');
    // The first of those who wait has gone; others may be there.
    else if (deduplication !== undefined) delivery.expire();
    else delivery.drop();
  }
}
