import type { QueueContext } from '../legacy/queue-context.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Delivery } from '../settling/delivery.js';
import {
  createLetter,
  describeMalformed,
  type Dead,
  type DeadLetterReason,
} from '../dead-letters/dead-letter.js';
import { nameOfMessage, nudgeOf, readEntry, type QueuedEvent } from '../model/entry.js';
import { AbandonedError } from '../model/errors.js';
import type { OwnerGuard } from '../consumer/session.js';
import type { AbandonmentListener } from '../settling/endings.js';
import type { Outcomes } from '../settling/outcomes.js';
import type { Unrenewed } from './recoverer.js';
import { send } from '../redis/scripts.js';

/**
 * Decides on a message that is given up. With `at-least-once` it goes back to the queue as another attempt,
 * unless there were too many attempts, or its caller has had a part of the answer. Otherwise it ends among
 * the dead letters, and a caller that waits is notified.
 */
export class AbandonmentPolicy {
  readonly #context: QueueContext;
  readonly #outcomes: Outcomes;
  readonly #maxDeliveries: number;
  readonly #listener: AbandonmentListener;

  constructor(
    context: QueueContext,
    outcomes: Outcomes,
    maxDeliveries: number,
    listener: AbandonmentListener,
  ) {
    this.#context = context;
    this.#outcomes = outcomes;
    this.#maxDeliveries = maxDeliveries;
    this.#listener = listener;
  }

  /** Takes an entry from a worker that has gone. */
  async recover({ id, consumer, lease, isWon, hasAnswered }: Unrenewed): Promise<void> {
    const holder = { consumer, minIdleMs: lease };
    const entries = await send(this.#context.connection.client, 'xrange', [
      this.#context.keys.eventStream,
      id,
      id,
    ]);
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
    if (!isWon && this.#context.legacy.isContested(entry)) {
      await this.#outcomes.putBack(id, holder);
      return;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      await this.#bury(describeMalformed(entry), 'malformed', error as Error, holder);
      return;
    }
    if (queued) await this.#giveUp(queued, hasAnswered, holder);
    // The entry is a legacy response.
    else await this.#outcomes.skip(entry);
  }

  /** Gives up an attempt of this worker. */
  async giveUp({ queued, read, hasAnswered }: Delivery): Promise<void> {
    await this.#giveUp(queued, hasAnswered, { consumer: read.consumer, minIdleMs: 0 });
  }

  async #giveUp(queued: QueuedEvent, hasAnswered: boolean, holder: OwnerGuard): Promise<void> {
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

  async #bury(dead: Dead, reason: DeadLetterReason, error: Error, holder: OwnerGuard): Promise<void> {
    const letter = createLetter(dead, reason, error, holder.consumer, this.#context.clock.now());
    const told = error instanceof AbandonedError ? error : undefined;
    if (await this.#outcomes.deadLetter(dead, letter, told, holder)) {
      const { event, origin } = dead;
      const what = event ? nameOfMessage({ event, origin }) : `entry ${dead.id}`;
      this.#listener.dropped(what, reason, error);
    }
  }
}
