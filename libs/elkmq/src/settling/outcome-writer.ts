import {
  ABANDONED_LETTER,
  createLetter,
  shortJsonOf,
  type DeadLetterCap,
} from '../dead-letters/dead-letter.js';
import type { RemovalReport } from '../dead-letters/removal-report.js';
import type { QueueContext } from '../context/queue-context.js';
import { describeAttemptError } from '../model/attempt-errors.js';
import { fieldsOfNext, type HandedOutEntry } from '../model/entry.js';
import { GROUP } from '../model/keys.js';
import { DEFAULTS } from '../model/options.js';
import { failureFrame } from '../model/reply-frame.js';
import type { ServiceEvent } from '../model/service-event.js';
import { describeThrown } from '../model/thrown.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import { DeduplicatedRequests } from './deduplicated-requests.js';
import type { BecomeDeadLetter, Outcome, Requeue, Retry } from './outcome.js';
import { RetryQueue } from './retry-queue.js';
import { settleCall } from './settlement-batch.js';
import { ANY_OWNER, type OwnerGuard, requeue } from '../consumer/requeue.js';

export interface OutcomeWriterOptions {
  /** The time for which each call is tried while Redis is away, ms. */
  readonly timeoutMs: number;
  /** The limits of the dead letters, which apply when one is added. */
  readonly deadLetters?: DeadLetterCap;
  /** Counts the letters that were removed then to make room. */
  readonly removals?: RemovalReport;
  /** Whether a dead letter of an action holds its ordering key. Default: none does. */
  readonly holdsKey?: (action: string) => boolean;
}

/**
 * Writes the outcome of an entry to Redis, with one call of a script. All outcomes of all entries go through
 * `writeOutcome`. There are two exceptions. Acknowledged and dropped deliveries of a worker are settled many
 * at a time, together with their replies (see `SettlementQueue`). Those at deduplicated requests go to
 * `DeduplicatedRequests`. Retries of one tick share a call (see `RetryQueue`).
 */
export class OutcomeWriter {
  /** The outcomes of requests for which several callers may wait. */
  readonly deduplicated: DeduplicatedRequests;
  readonly #retries: RetryQueue;
  readonly #context: QueueContext;
  readonly #timeoutMs: number;
  readonly #cap: DeadLetterCap;
  readonly #removals: RemovalReport | undefined;
  readonly #holdsKey: (action: string) => boolean;

  constructor(
    context: QueueContext,
    { timeoutMs, deadLetters = DEFAULTS.deadLetters, removals, holdsKey = () => false }: OutcomeWriterOptions,
  ) {
    this.deduplicated = new DeduplicatedRequests(context, timeoutMs);
    this.#retries = new RetryQueue(context, timeoutMs);
    this.#context = context;
    this.#timeoutMs = timeoutMs;
    this.#cap = deadLetters;
    this.#removals = removals;
    this.#holdsKey = holdsKey;
  }

  /**
   * Carries out `outcome`.
   * @param entry an event, or an entry that holds none (see `entryWithoutEvent`)
   * @param consumer the one that had the entry last
   * @param guard the owner that the entry must still have, if that is another consumer
   * @returns false when the attempt had been ended before, by others
   */
  async writeOutcome(
    entry: HandedOutEntry,
    outcome: Outcome,
    consumer: string,
    guard = ANY_OWNER,
  ): Promise<boolean> {
    const isDone = await this.#write(entry, outcome, consumer, guard);
    if (isDone) this.#count(entry, outcome);
    return isDone;
  }

  #write(entry: HandedOutEntry, outcome: Outcome, consumer: string, guard: OwnerGuard): Promise<boolean> {
    switch (outcome.kind) {
      case 'acknowledge':
        return entry.isOurs ? this.#deleteEntry(entry) : this.#answerLegacy(entry);
      case 'drop':
        return this.#deleteEntry(entry);
      case 'retry':
        return this.#delay(entry, outcome);
      case 'dead-letter':
        return this.#bury(entry, outcome, consumer, guard);
      case 'expire':
        return this.#expire(entry);
      case 'legacy-response':
        return this.#answerLegacy(entry, outcome.response);
      case 'requeue':
        return this.#requeue(entry, outcome, guard);
      case 'leave-to-legacy':
        return this.#leaveToLegacy(entry);
    }
  }

  #count({ due, timestamp }: HandedOutEntry, outcome: Outcome): void {
    const { rates, clock } = this.#context;
    if (outcome.kind === 'acknowledge' || outcome.kind === 'legacy-response')
      rates.countHandled(due ?? timestamp, clock);
    else if (outcome.kind === 'retry' || (outcome.kind === 'requeue' && outcome.isAttempt))
      rates.countRetried();
    else if (outcome.kind === 'dead-letter') rates.countDead();
    if (outcome.kind === 'expire' || (outcome.kind === 'dead-letter' && outcome.reason === 'expired'))
      rates.countExpired();
  }

  /** Deletes the dead letter of a message that was given up, and was handled after all. */
  async removeAbandonedLetter(origin: string): Promise<void> {
    await this.#call(
      scripts.removeAbandonedLetter(this.#context.keys, { origin, beginning: ABANDONED_LETTER }),
    );
  }

  #deleteEntry({ id, origin, orderingKey }: HandedOutEntry): Promise<boolean> {
    const keyed = orderingKey === undefined ? [] : [id, orderingKey, origin];
    const inboxSettlements = [{ inbox: 0, replies: '', ids: [id] }];
    const args = { group: GROUP, first: '', stop: '', inboxSettlements, pushes: '' };
    const call = settleCall(this.#context.keys, [], args, keyed);
    return this.#endAttempt(call, (lost) => (lost as string[]).length === 0);
  }

  /** The time until the next attempt is rounded up. */
  #delay(entry: HandedOutEntry, { delayMs, failure }: Retry): Promise<boolean> {
    const { id, origin, attempt, orderingKey = '' } = entry;
    const error = failure && describeAttemptError(failure.error, attempt, this.#context.clock.now());
    const fields = JSON.stringify(fieldsOfNext(entry, error));
    const delay = Math.ceil(delayMs);
    return this.#retries.delayMessage({ id, origin, orderingKey, delay, fields });
  }

  /** @param response the response to the legacy client, if one is due */
  #answerLegacy(entry: HandedOutEntry, response?: ServiceEvent): Promise<boolean> {
    const call = this.#context.legacy.answerCall(entry, response);
    return this.#endAttempt(call, (done) => done === 1, entry.origin);
  }

  async #bury(
    dead: HandedOutEntry,
    { reason, error, errorForCaller }: BecomeDeadLetter,
    consumer: string,
    guard: OwnerGuard,
  ): Promise<boolean> {
    const letter = createLetter(dead, reason, error, consumer, this.#context.clock.now());
    const { eventStream, deadLetters, deadLetterBodies, messageQueue } = this.#context.keys;
    const { lanes, laneBodies, cancelled, held } = this.#context.keys;
    const { event } = dead;
    const inbox = event?.replyTo === undefined ? undefined : this.#context.keys.inbox(event.replyTo);
    let replies: string | undefined;
    if (dead.deduplication !== undefined && event && errorForCaller) {
      if (!(await this.deduplicated.failRequest({ ...dead, event }, errorForCaller, guard))) return false;
    } else if (event && inbox !== undefined && errorForCaller) {
      replies = `[${failureFrame(event.requestId, dead.attempt, errorForCaller)}]`;
    }
    const { max, maxAge } = this.#cap;
    const letters = { eventStream, deadLetters, deadLetterBodies, messageQueue };
    const keys = { ...letters, lanes, laneBodies, cancelled, held };
    const write = (json: string, withFields: boolean): Promise<unknown> => {
      const call = scripts.deadLetter(replies === undefined ? keys : { ...keys, inbox }, {
        group: GROUP,
        id: dead.id,
        origin: letter.origin,
        orderingKey: dead.orderingKey ?? '',
        holdsKey: event !== undefined && this.#holdsKey(event.action),
        diedAt: letter.lastAt,
        letter: json,
        withFields,
        max,
        maxAge,
        consumer: guard.consumer,
        minIdle: guard.minIdleMs,
        isListed: !dead.isOurs,
        replies: replies ?? '',
        pushes: this.#context.pushes,
      });
      return this.#call(call);
    };
    const answer = await write(JSON.stringify(letter), false).catch((failure: unknown) => {
      if (!isReplyError(failure)) throw failure;
      // The letter may be too large to be sent. The entry, which has most of it, is in Redis already.
      return write(shortJsonOf(letter), true);
    });
    if ((answer as number[]).length === 0) return false;
    const [tooMany, tooOld, freedKeys] = answer as [number, number, number];
    if (tooMany + tooOld > 0) this.#removals?.countRemoved(tooMany, tooOld, freedKeys);
    return true;
  }

  #expire(entry: HandedOutEntry): Promise<boolean> {
    const { event } = entry;
    return event ? this.deduplicated.expireRequest({ ...entry, event }) : Promise.resolve(false);
  }

  /** Always answers true: an entry that has another owner is left alone, and nothing tells of it. */
  async #requeue({ id }: HandedOutEntry, { isAttempt, error }: Requeue, guard: OwnerGuard): Promise<boolean> {
    const described = error && describeThrown(error);
    await requeue(this.#context, [id], this.#timeoutMs, isAttempt ? 1 : 0, guard, described);
    return true;
  }

  async #leaveToLegacy({ id, fields }: HandedOutEntry): Promise<boolean> {
    return (await this.#call(this.#context.legacy.leaveCall(id, fields))) === 1;
  }

  /**
   * Runs a script that ends an attempt. An attempt that is gone after a call in doubt was ended by that call,
   * whose answer was lost.
   * @param succeeded whether the answer says that this call has ended the attempt
   * @param handledOrigin the origin of a handled message, which others may have given up since
   * @returns whether this call has ended the attempt, or an earlier one of this writer
   */
  async #endAttempt(
    call: ScriptCall,
    succeeded: (answer: unknown) => boolean,
    handledOrigin?: string,
  ): Promise<boolean> {
    const doubt = { isInDoubt: false };
    const answer = await callReliably(this.#context.connection, call, this.#timeoutMs, doubt);
    if (succeeded(answer)) return true;
    if (doubt.isInDoubt && handledOrigin !== undefined) await this.removeAbandonedLetter(handledOrigin);
    return doubt.isInDoubt;
  }

  #call(call: ScriptCall): Promise<unknown> {
    return callReliably(this.#context.connection, call, this.#timeoutMs);
  }
}
