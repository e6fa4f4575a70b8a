import type { StreamEntry } from '../redis/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import type { Delivery } from '../handling/delivery.js';
import { letterOf, malformed, type Dead, type DeadLetterReason } from '../dead-letters/dead-letters.js';
import { nameOfMessage, nudgeOf, readEntry, type QueuedEvent } from '../wire/entry.js';
import { AbandonedError } from '../errors.js';
import type { Competition } from '../interop/competition.js';
import type { QueueKeys } from '../keys.js';
import type { Holder } from '../handling/holder.js';
import type { Outcomes } from '../handling/outcomes.js';
import type { Unrenewed } from './recoverer.js';
import type { RedisClock } from '../redis/redis-clock.js';
import { send } from '../redis/scripts.js';

/**
 * The treatment of a message whose worker has gone: it is never started again, or it is handed to another
 * worker.
 */
export type DeliveryMode = 'once' | 'at-least-once';

export interface RecoveryListener {
  modeOf(action: string): DeliveryMode;
  /** A message ended without being handled. `error` is the reason, or the reason why even that failed. */
  dropped(what: string, reason: DeadLetterReason, error?: unknown): void;
}

/**
 * Decides on a message that is given up. With `at-least-once` it goes back to the queue as another attempt,
 * unless there were too many attempts, or its caller has had a part of the answer. Otherwise it ends among
 * the dead letters, and a caller that waits is notified.
 */
export class Recovery {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #competition: Competition;
  readonly #outcomes: Outcomes;
  readonly #clock: RedisClock;
  readonly #maxDeliveries: number;
  readonly #listener: RecoveryListener;

  constructor(
    connection: Connection,
    keys: QueueKeys,
    competition: Competition,
    outcomes: Outcomes,
    clock: RedisClock,
    maxDeliveries: number,
    listener: RecoveryListener,
  ) {
    this.#connection = connection;
    this.#keys = keys;
    this.#competition = competition;
    this.#outcomes = outcomes;
    this.#clock = clock;
    this.#maxDeliveries = maxDeliveries;
    this.#listener = listener;
  }

  /** Takes an entry from a worker that has gone. */
  async recover({ id, consumer, lease, isWon, hasAnswered }: Unrenewed): Promise<void> {
    const holder = { consumer, unrenewedFor: lease };
    const entries = await send(this.#connection.client, 'xrange', [this.#keys.eventStream, id, id]);
    const entry = (entries as StreamEntry[])[0];
    // The entry was deleted. Redis 6 keeps it pending all the same.
    if (!entry) {
      await this.#outcomes.discard(id);
      return;
    }
    if (nudgeOf(entry) !== undefined) {
      await this.#outcomes.discard(id);
      return;
    }
    if (!isWon && this.#competition.concerns(entry)) {
      await this.#outcomes.putBack(id, holder);
      return;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      await this.#bury(malformed(entry), 'malformed', error as Error, holder);
      return;
    }
    if (queued) await this.#giveUp(queued, hasAnswered, holder);
    // The entry is a legacy response.
    else await this.#outcomes.skip(entry);
  }

  /** Gives up an attempt of this worker. */
  async giveUp({ queued, read, hasAnswered }: Delivery): Promise<void> {
    await this.#giveUp(queued, hasAnswered, { consumer: read.consumer, unrenewedFor: 0 });
  }

  async #giveUp(queued: QueuedEvent, hasAnswered: boolean, holder: Holder): Promise<void> {
    const { id, attempt, event } = queued;
    const isTriedAgain = this.#listener.modeOf(event.action) === 'at-least-once' && !hasAnswered;
    if (isTriedAgain && attempt < this.#maxDeliveries) await this.#outcomes.retry(id, holder);
    else if (isTriedAgain) {
      const tries = `it was handed out ${String(attempt)} times, and each time its worker went away`;
      await this.#bury(queued, 'exhausted', new AbandonedError(tries), holder);
    } else {
      const error = new AbandonedError(`its worker went away while it was handling '${event.action}'`);
      await this.#bury(queued, 'abandoned', error, holder);
    }
  }

  async #bury(dead: Dead, reason: DeadLetterReason, error: Error, holder: Holder): Promise<void> {
    const letter = letterOf(dead, reason, error, holder.consumer, this.#clock.now());
    const told = error instanceof AbandonedError ? error : undefined;
    if (await this.#outcomes.deadLetter(dead, letter, told, holder)) {
      const { event, origin } = dead;
      const what = event ? nameOfMessage({ event, origin }) : `entry ${dead.id}`;
      this.#listener.dropped(what, reason, error);
    }
  }
}
