import type { ConnectionListener } from '../redis/connection.js';
import { createLetter, type Dead, type DeadLetterReason } from '../dead-letters/dead-letter.js';
import type { Delivery, DeliveryEnds } from './delivery.js';
import { AbandonedError, EnqueueError, type EventQueueError, type RejectedError } from '../model/errors.js';
import { isReplyError } from '../redis/redis-errors.js';
import { LEASE_LOST, leasesLost } from './attempt-signal.js';
import type { Outcomes } from './outcomes.js';
import type { RedisClock } from '../redis/clock.js';
import { ServiceEvent } from '../model/service-event.js';
import type { Settler } from './settler.js';
import type { Failure } from '../model/thrown.js';
import { nameOfMessage, type QueuedEvent } from '../model/entry.js';
import { Summary } from '../model/summary.js';

/**
 * The treatment of a message whose worker has gone: it is never started again, or it is handed to another
 * worker.
 */
export type DeliveryMode = 'once' | 'at-least-once';

export interface AbandonmentListener {
  modeOf(action: string): DeliveryMode;
  /** A message ended without being handled. `error` is the reason, or the reason why even that failed. */
  dropped(what: string, reason: DeadLetterReason, error?: unknown): void;
}

/** Is notified of attempts that did not end well. */
export interface AttemptListener extends ConnectionListener, AbandonmentListener {
  /**
   * A message is tried again after `delay` ms.
   * @param failure the thrown value, unless its handler has asked for another attempt
   */
  retried(queued: QueuedEvent, delay: number, failure?: Failure): void;
}

/** Is notified of the ends of deliveries. */
export interface EndingsListener {
  /** A message is due again at this time, ms since 1970 on the clock of Redis. */
  expect(due: number): void;
  ended(delivery: Delivery, error?: unknown): void;
}

/**
 * Writes the outcomes of a worker's deliveries to Redis, and notifies its listener of those that did not end
 * well.
 */
export class Endings implements DeliveryEnds {
  readonly #outcomes: Outcomes;
  readonly #settler: Settler;
  readonly #clock: RedisClock;
  readonly #listener: AttemptListener;
  readonly #worker: EndingsListener;
  readonly #losses = new Summary<AbandonedError>((count, latest) => {
    this.#listener.error?.(count === 1 ? latest : new AbandonedError(leasesLost(count)));
  });

  constructor(
    outcomes: Outcomes,
    settler: Settler,
    clock: RedisClock,
    listener: AttemptListener,
    worker: EndingsListener,
  ) {
    this.#outcomes = outcomes;
    this.#settler = settler;
    this.#clock = clock;
    this.#listener = listener;
    this.#worker = worker;
  }

  now(): number {
    return this.#clock.now();
  }

  settle(delivery: Delivery): void {
    if (delivery.queued.deduplication === undefined) this.#settler.addAttempt(delivery);
    else this.#outcomes.deduplicated.settleAttempt(delivery);
  }

  expire({ queued }: Delivery): Promise<void> {
    return this.#outcomes.deduplicated.expireRequest(queued);
  }

  async answerOriginal(delivery: Delivery, response?: ServiceEvent): Promise<void> {
    const { queued } = delivery;
    const isDone = await this.#outcomes.answerOriginal(queued, response).catch((error: unknown) => {
      if (!isReplyError(error) || !response) throw error;
      const refusal = refusalOf(`the answer to '${queued.event.action}'`, error);
      this.#listener.error?.(refusal);
      const failure = JSON.stringify({ err: { status: 'error', message: refusal.message } });
      return this.#outcomes.answerOriginal(
        queued,
        ServiceEvent.responseTo(queued.event, response.action, failure),
      );
    });
    if (!isDone) this.lost(delivery, true);
  }

  async deadLetter({ queued, read }: Delivery, reason: DeadLetterReason, error?: unknown): Promise<void> {
    this.#listener.dropped(nameOfMessage(queued), reason, error);
    // Only `context.deadLetter` rejects, and it gives this class.
    const told = reason === 'rejected' ? (error as RejectedError) : undefined;
    await this.bury(queued, reason, read.consumer, error, told);
  }

  async retry({ queued, read }: Delivery, delay: number, failure?: Failure): Promise<void> {
    const wait = Math.ceil(delay);
    let isDone: boolean;
    try {
      isDone = await this.#outcomes.delay(queued, wait);
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const refusal = refusalOf(`another attempt at '${queued.event.action}'`, error);
      this.#listener.dropped(nameOfMessage(queued), 'failed', refusal);
      return this.bury(queued, 'failed', read.consumer, refusal, refusal);
    }
    if (!isDone) {
      this.#reportLoss();
      return;
    }
    this.#worker.expect(this.#clock.now() + wait);
    this.#listener.retried(queued, wait, failure);
  }

  lost(delivery: Delivery, isHandled: boolean): void {
    delivery.abort(this.#reportLoss());
    if (isHandled) this.handledAfterAll(delivery);
  }

  handledAfterAll({ queued }: Delivery): void {
    this.#outcomes.removeAbandonedLetter(queued.origin).catch((error: unknown) => {
      this.#listener.dropped(nameOfMessage(queued), 'abandoned', error);
    });
  }

  ended(delivery: Delivery, error?: unknown): void {
    this.#worker.ended(delivery, error);
  }

  /**
   * Moves an entry that was not handled to the dead letters.
   * @param told the error for its caller, if it has one
   */
  async bury(
    dead: Dead,
    reason: DeadLetterReason,
    consumer: string,
    error?: unknown,
    told?: EventQueueError,
  ): Promise<void> {
    await this.#outcomes.deadLetter(
      dead,
      createLetter(dead, reason, error, consumer, this.#clock.now()),
      told,
    );
  }

  /** Reports now the losses that have not been reported yet. */
  reportLosses(): void {
    this.#losses.report();
  }

  #reportLoss(): AbandonedError {
    const late = new AbandonedError(LEASE_LOST);
    this.#losses.add(late);
    return late;
  }
}

function refusalOf(what: string, error: Error): EnqueueError {
  return new EnqueueError(`Redis refused ${what}: ${error.message}`, { cause: error });
}
