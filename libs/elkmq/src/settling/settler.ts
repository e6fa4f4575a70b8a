import type { Slots } from '../consumer/slots.js';
import type { QueueContext } from '../context/queue-context.js';
import { nameOfMessage, type HandedOutEntry, type QueuedEvent } from '../model/entry.js';
import { AbandonedError, EnqueueError } from '../model/errors.js';
import { ServiceEvent } from '../model/service-event.js';
import { Summary } from '../model/summary.js';
import { messageOf } from '../model/thrown.js';
import type { ConnectionListener } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { LEASE_LOST, leasesLost } from './attempt-signal.js';
import type { Delivery, DeliverySettler } from './delivery.js';
import type { InFlight } from './in-flight.js';
import { needsNoLetter, reportOutcome, type Outcome, type OutcomeListener } from './outcome.js';
import type { OutcomeWriter } from './outcome-writer.js';
import type { SettlementResult } from './settlement-batch.js';
import { SettlementQueue } from './settlement-queue.js';

/**
 * The treatment of a message whose worker has gone: it is never started again, or it is handed to another
 * worker.
 */
export type DeliveryMode = 'once' | 'at-least-once';

export interface AbandonmentListener extends Pick<OutcomeListener, 'notHandled'> {
  modeOf(action: string): DeliveryMode;
  /** Whether a dead letter of this action holds its ordering key until it is retried or removed. */
  holdsKey(action: string): boolean;
}

/** Is notified of attempts that did not end well. */
export type AttemptListener = ConnectionListener & AbandonmentListener & OutcomeListener;

/** Wakes when a delayed message is due. */
export interface DueTimes {
  /** @param due time of a message, ms since 1970 on the clock of Redis */
  expectDue(due: number): void;
}

/**
 * The one exit of a worker's deliveries. It has their outcomes written to Redis, frees their slots, and
 * notifies the listener of those that did not end well.
 */
export class Settler implements DeliverySettler {
  /** The deliveries that are acknowledged or dropped, and all replies. Deduplicated requests go elsewhere. */
  readonly queue: SettlementQueue;
  readonly #context: QueueContext;
  readonly #writer: OutcomeWriter;
  readonly #inFlight: InFlight<Delivery>;
  readonly #slots: Slots;
  readonly #dueTimes: DueTimes;
  readonly #listener: AttemptListener;
  readonly #losses: Summary<AbandonedError>;

  /**
   * @param slots wakes those who read more when slots are free
   * @param dueTimes learns when messages are tried again
   */
  constructor(
    context: QueueContext,
    writer: OutcomeWriter,
    inFlight: InFlight<Delivery>,
    slots: Slots,
    dueTimes: DueTimes,
    listener: AttemptListener,
  ) {
    this.queue = new SettlementQueue(context, slots);
    this.#context = context;
    this.#writer = writer;
    this.#inFlight = inFlight;
    this.#slots = slots;
    this.#dueTimes = dueTimes;
    this.#listener = listener;
    this.#losses = new Summary<AbandonedError>((count, latest) => {
      listener.error?.(count === 1 ? latest : new AbandonedError(leasesLost(count)));
    });
  }

  now(): number {
    return this.#context.clock.now();
  }

  settleReplies(delivery: Delivery): void {
    if (delivery.queued.deduplication === undefined) this.queue.addAttempt(delivery);
    else this.#writer.deduplicated.settleAttempt(delivery);
  }

  isTriedAgain({ queued }: Delivery): boolean {
    return this.#listener.modeOf(queued.event.action) === 'at-least-once';
  }

  carryOut(delivery: Delivery, outcome: Outcome): Promise<SettlementResult> {
    return this.#carryOut(delivery, outcome, true);
  }

  releaseDelivery(delivery: Delivery, result: SettlementResult, error?: unknown): void {
    if (result !== 'lost' && error === undefined) this.#countSettled(delivery);
    if (result === 'lost') delivery.abort(this.#reportLoss());
    if (result !== 'kept' && delivery.outcome && needsNoLetter(delivery.outcome))
      this.#removeLetter(delivery);
    // A lost delivery was released before, and a stopped worker has reported its remaining ones already.
    if (!this.#inFlight.removeDelivery(delivery)) return;
    // An `EnqueueError` says already what Redis has refused.
    if (error instanceof EnqueueError) this.#listener.error?.(error);
    else if (error !== undefined) {
      const name = `'${delivery.queued.event.action}'`;
      const { outcome } = delivery;
      const what = outcome ? `the outcome of ${name} (${outcome.kind})` : `replies of ${name}`;
      this.#listener.error?.(unwritten(what, error));
    }
    this.#slots.wakeReaders();
  }

  /**
   * Ends an entry that is handed to no handler.
   * @param consumer the one that has it
   */
  endEntry(entry: HandedOutEntry, outcome: Outcome, consumer: string): void {
    this.#writer.writeOutcome(entry, outcome, consumer).catch((error: unknown) => {
      this.#listener.error?.(unwritten(`the outcome of entry ${entry.id} (${outcome.kind})`, error));
    });
  }

  /** Reports now the losses that have not been reported yet. */
  reportLosses(): void {
    this.#losses.report();
  }

  /** @param hasSubstitute whether another outcome may take the place of one that Redis refuses */
  async #carryOut(delivery: Delivery, outcome: Outcome, hasSubstitute: boolean): Promise<SettlementResult> {
    const { queued, read } = delivery;
    // Nothing is left to end. The message was handled all the same, see `releaseDelivery`.
    if (delivery.state === 'lost' && needsNoLetter(outcome)) return 'lost';
    const { kind } = outcome;
    // The log has it even when Redis cannot be told.
    if (kind === 'dead-letter') reportOutcome(this.#listener, queued, outcome);
    try {
      const isDone = await this.#writer.writeOutcome(queued, outcome, read.consumer);
      if (!isDone && kind !== 'dead-letter' && kind !== 'expire') return 'lost';
    } catch (error) {
      const instead = hasSubstitute && isReplyError(error) && this.#substituteFor(outcome, queued, error);
      if (!instead) throw error;
      return this.#carryOut(delivery, instead, false);
    }
    if (kind === 'retry') this.#dueTimes.expectDue(this.now() + Math.ceil(outcome.delayMs));
    if (kind !== 'dead-letter') reportOutcome(this.#listener, queued, outcome);
    return 'kept';
  }

  /** Redis has refused the outcome for good. Returns another one, if there is one. */
  #substituteFor(outcome: Outcome, { event }: QueuedEvent, error: Error): Outcome | undefined {
    if (outcome.kind === 'retry') {
      const refusal = refusalOf(`another attempt at '${event.action}'`, error);
      return { kind: 'dead-letter', reason: 'failed', error: refusal, errorForCaller: refusal };
    }
    if (outcome.kind !== 'legacy-response') return undefined;
    const refusal = refusalOf(`the answer to '${event.action}'`, error);
    this.#listener.error?.(refusal);
    const failure = JSON.stringify({ err: { status: 'error', message: refusal.message } });
    const response = ServiceEvent.responseTo(event, outcome.response.action, failure);
    return { kind: 'legacy-response', response };
  }

  /** Counts a delivery that was settled with others. The writer counts every other one. */
  #countSettled(delivery: Delivery): void {
    const { outcome, queued } = delivery;
    if (!queued.isOurs) return;
    const { rates, clock } = this.#context;
    if (outcome?.kind === 'acknowledge') rates.countHandled(queued.due, clock);
    // The others that are dropped have been cancelled by their callers.
    else if (outcome?.kind === 'drop' && delivery.timeLeft <= 0) rates.countExpired();
  }

  #removeLetter({ queued }: Delivery): void {
    this.#writer.removeAbandonedLetter(queued.origin).catch((error: unknown) => {
      this.#listener.notHandled(nameOfMessage(queued), 'abandoned', error);
    });
  }

  #reportLoss(): AbandonedError {
    const late = new AbandonedError(LEASE_LOST);
    this.#losses.add(late);
    return late;
  }
}

function unwritten(what: string, error: unknown): EnqueueError {
  return new EnqueueError(`${what} could not be written to Redis: ${messageOf(error)}`, { cause: error });
}

function refusalOf(what: string, error: Error): EnqueueError {
  return new EnqueueError(`Redis refused ${what}: ${error.message}`, { cause: error });
}
