import type { Slots } from '../consumer/slots.js';
import type { QueueContext } from '../context/queue-context.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, scheduleFlush, type Doubt } from '../redis/reliable-call.js';
import { SCRIPTS } from '../redis/scripts.generated.js';
import {
  BATCH_CHARACTERS,
  SettlementBatch,
  type Settlable,
  type Settlement,
  type SettlementCall,
} from './settlement-batch.js';

/** The largest number of settlements in one call. */
const MAX_SETTLEMENTS = 256;
/** The time for which a worker tries to settle, ms. */
export const SETTLE_TIMEOUT_MS = 24 * 60 * 60 * 1_000;

/**
 * Settles attempts in batches. Attempts that end during one tick go out together, and so do replies to one
 * client.
 */
export class SettlementQueue {
  readonly #context: QueueContext;
  readonly #slots: Slots;
  #waiting: Settlable[] = [];
  #inFlight = 0;
  #ending = 0;
  #isHeld = false;

  /** @param slots wakes those who may read more when a batch has gone out */
  constructor(context: QueueContext, slots: Slots) {
    this.#context = context;
    this.#slots = slots;
  }

  /** The number of attempts whose outcome was sent to Redis, and which Redis has not confirmed. */
  get unconfirmed(): number {
    return this.#ending;
  }

  /** Holds attempts that end from now on. They go out together, at `release`, in the same tick. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    if (this.#waiting.length > 0) scheduleFlush(this.#inFlight === 0, this.#flush);
  }

  /** Adds an attempt. Its settlement is taken when the batch goes out. */
  addAttempt(attempt: Settlable): void {
    const { length } = this.#waiting;
    this.#waiting.push(attempt);
    if (length === 0 && !this.#isHeld) scheduleFlush(this.#inFlight === 0, this.#flush);
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    let batch = new SettlementBatch(this.#context, MAX_SETTLEMENTS);
    for (const attempt of waiting) {
      if (batch.isFull) {
        this.#send(batch);
        batch = new SettlementBatch(this.#context, MAX_SETTLEMENTS);
      }
      batch.addAttempt(attempt, attempt.takeReplies(BATCH_CHARACTERS - batch.size));
    }
    this.#send(batch);
    this.#slots.wakeReaders();
  };

  #send(batch: SettlementBatch): void {
    for (const call of batch.calls()) void this.#call(call, { isInDoubt: false });
  }

  /** @param isLast whether this replaces a settlement that Redis has refused */
  async #call(settling: SettlementCall, doubt: Doubt, isLast = false): Promise<void> {
    const { call, attempts } = settling;
    const isEnd = call.script !== SCRIPTS.answerInPart;
    this.#inFlight++;
    if (isEnd) this.#ending += attempts.length;
    let failure: unknown;
    let lost: string[] = [];
    try {
      lost = (await callReliably(this.#context.connection, call, SETTLE_TIMEOUT_MS, doubt)) as string[];
    } catch (error) {
      failure = error;
    }
    // An attempt that is gone after a call in doubt may have been ended by that call, whose answer was lost.
    const gone = isEnd && doubt.isInDoubt ? 'in doubt' : 'lost';
    if (isEnd) this.#ending -= attempts.length;
    this.#inFlight--;
    if (isReplyError(failure) && !isLast && this.#settleOtherwise(settling, failure, doubt)) return;
    for (const attempt of attempts) attempt.onSettled(lost.includes(attempt.id) ? gone : 'kept', failure);
  }

  /**
   * Redis has refused a call for good. Its attempts are settled one by one. An attempt that was alone is to
   * blame, and ends with another settlement.
   * @returns false when it has none
   */
  #settleOtherwise({ attempts, settlements }: SettlementCall, failure: Error, doubt: Doubt): boolean {
    const [first, ...others] = attempts;
    if (first && others.length === 0) {
      const instead = first.refused(failure);
      if (instead) this.#sendAlone(first, instead, doubt, true);
      return instead !== undefined;
    }
    for (const [index, attempt] of attempts.entries())
      this.#sendAlone(attempt, settlements[index] as Settlement, doubt);
    return true;
  }

  #sendAlone(attempt: Settlable, settlement: Settlement, { isInDoubt }: Doubt, isLast = false): void {
    const batch = new SettlementBatch(this.#context, 1);
    batch.addAttempt(attempt, settlement);
    for (const call of batch.calls()) void this.#call(call, { isInDoubt }, isLast);
  }
}
