import {
  entryWithoutEvent,
  nameOfMessage,
  nudgeOf,
  readEntry,
  type HandedOutEntry,
  type QueuedEvent,
} from '../model/entry.js';
import { AbandonedError } from '../model/errors.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { QueueContext } from '../context/queue-context.js';
import { send } from '../redis/scripts.js';
import type { Delivery } from '../settling/delivery.js';
import {
  DROP,
  LEAVE_TO_LEGACY,
  type BecomeDeadLetter,
  type Outcome,
  type Requeue,
} from '../settling/outcome.js';
import type { OutcomeWriter } from '../settling/outcome-writer.js';
import type { AbandonmentListener } from '../settling/settler.js';
import type { Unrenewed } from './recoverer.js';
import type { OwnerGuard } from '../consumer/requeue.js';

/**
 * Decides on a message that is given up. With `at-least-once` it goes back to the queue as another attempt,
 * unless too many workers have gone with it, or its caller has had a part of the answer. Otherwise it ends
 * among the dead letters, and a caller that waits is notified.
 */
export class AbandonmentPolicy {
  readonly #context: QueueContext;
  readonly #writer: OutcomeWriter;
  readonly #maxDeliveries: number;
  readonly #listener: AbandonmentListener;

  constructor(
    context: QueueContext,
    writer: OutcomeWriter,
    maxDeliveries: number,
    listener: AbandonmentListener,
  ) {
    this.#context = context;
    this.#writer = writer;
    this.#maxDeliveries = maxDeliveries;
    this.#listener = listener;
  }

  /** Takes an entry from a worker that has gone. */
  async recover({ id, consumer, leaseMs, isWon, hasAnswered }: Unrenewed): Promise<void> {
    const guard = { consumer, minIdleMs: leaseMs };
    const { connection, keys, legacy } = this.#context;
    const entries = await send(connection.client, 'xrange', [keys.eventStream, id, id]);
    const [entry = [id, null]] = entries as StreamEntry[];
    // Redis 6 keeps an entry pending that was deleted. A nudge has no message.
    if (!entry[1] || nudgeOf(entry) !== undefined) {
      await this.#end(entryWithoutEvent(entry), DROP, guard);
      return;
    }
    if (!isWon && legacy.isContested(entry)) {
      await this.#end(entryWithoutEvent(entry), { kind: 'requeue', isAttempt: false }, guard);
      return;
    }
    let queued: QueuedEvent | undefined;
    try {
      queued = readEntry(entry);
    } catch (error) {
      const outcome: BecomeDeadLetter = { kind: 'dead-letter', reason: 'malformed', error };
      await this.#bury(entryWithoutEvent(entry), outcome, guard);
      return;
    }
    if (queued) await this.#giveUp(queued, hasAnswered, guard);
    // The entry holds no event: see `readEntry`.
    else await this.#end(entryWithoutEvent(entry), LEAVE_TO_LEGACY, guard);
  }

  /** Gives up an attempt of this worker. */
  async giveUp({ queued, read, hasAnswered }: Delivery): Promise<void> {
    await this.#giveUp(queued, hasAnswered, { consumer: read.consumer, minIdleMs: 0 });
  }

  async #giveUp(queued: QueuedEvent, hasAnswered: boolean, guard: OwnerGuard): Promise<void> {
    const mayBeTriedAgain = this.#listener.modeOf(queued.event.action) === 'at-least-once' && !hasAnswered;
    const outcome = outcomeOfAbandoned(queued, mayBeTriedAgain, this.#maxDeliveries);
    if (outcome.kind === 'requeue') await this.#end(queued, outcome, guard);
    else await this.#bury(queued, outcome, guard);
  }

  async #bury(dead: HandedOutEntry, outcome: BecomeDeadLetter, guard: OwnerGuard): Promise<void> {
    if (await this.#end(dead, outcome, guard)) {
      const { event, origin } = dead;
      const what = event ? nameOfMessage({ event, origin }) : `entry ${dead.id}`;
      this.#listener.notHandled(what, outcome.reason, outcome.error);
    }
  }

  #end(entry: HandedOutEntry, outcome: Outcome, guard: OwnerGuard): Promise<boolean> {
    return this.#writer.writeOutcome(entry, outcome, guard.consumer, guard);
  }
}

/**
 * Decides on a message whose worker has gone.
 * @param mayBeTriedAgain whether the message may be handled again, if not too many workers have gone with it
 */
export function outcomeOfAbandoned(
  { abandonedAttempts, event }: QueuedEvent,
  mayBeTriedAgain: boolean,
  maxDeliveries: number,
): Requeue | BecomeDeadLetter {
  const abandoned = abandonedAttempts + 1;
  const error = new AbandonedError(`its worker went away while it was handling '${event.action}'`);
  if (!mayBeTriedAgain) return { kind: 'dead-letter', reason: 'abandoned', error, errorForCaller: error };
  if (abandoned < maxDeliveries) return { kind: 'requeue', isAttempt: true, error };
  const times = abandoned === 1 ? 'once' : `${String(abandoned)} times`;
  const exhausted = new AbandonedError(
    `its worker went away ${times}, and maxDeliveries is ${String(maxDeliveries)}`,
  );
  return { kind: 'dead-letter', reason: 'exhausted', error: exhausted, errorForCaller: exhausted };
}
