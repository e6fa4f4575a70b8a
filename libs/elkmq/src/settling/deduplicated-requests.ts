import type { QueueContext } from '../context/queue-context.js';
import type { Delivery } from './delivery.js';
import type { QueuedEvent } from '../model/entry.js';
import { TimeoutExpiredError, type EventQueueError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, type Doubt } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { failureFrame, withoutId } from '../model/reply-frame.js';
import type { ServiceEvent, DeduplicatedReply } from '../model/service-event.js';
import { batchesOf } from './batches.js';
import { Addresses, batchCall, charactersOf, type EndedAttempt } from './deduplicated-batch.js';
import { BATCH_CHARACTERS, type SettlementResult, type Settlement } from './settlement-batch.js';
import { ANY_OWNER, type OwnerGuard } from '../consumer/requeue.js';

/** The data that identify a deduplicated request. */
export type DeduplicatedRequest = Pick<
  QueuedEvent,
  'id' | 'origin' | 'attempt' | 'event' | 'deduplication' | 'orderingKey'
>;

/** What is known of a request before it is settled. */
interface Known {
  /** The callers that wait, when they are others than the one that its entry names. */
  readonly waiters?: string;
  /** Whether an earlier call may have ended it. */
  readonly doubt?: Doubt;
  /** Whether the settlement replaces one that Redis has refused. */
  readonly isSubstitute?: boolean;
}

/** See `settle_deduplicated.lua`. */
type How = 'part' | 'end' | 'failed' | 'expired' | 'response';

/**
 * Stands in place of the time. The request is gone, and an earlier call, whose answer was lost, may have
 * ended it.
 */
const IN_DOUBT = 1;

/**
 * The outcomes of a deduplicated request. All its callers are notified, and the record of its key remembers
 * their replies. Such requests do not go through the `SettlementQueue`, because their replies go to records
 * too. Those that end in one tick go out together.
 */
export class DeduplicatedRequests {
  readonly #context: QueueContext;
  readonly #timeoutMs: number;
  #waiting: Delivery[] = [];

  /** @param timeoutMs time for which each call is tried while Redis is away, ms */
  constructor(context: QueueContext, timeoutMs: number) {
    this.#context = context;
    this.#timeoutMs = timeoutMs;
  }

  /** Adds an attempt. Its settlement is taken at the end of the tick. */
  settleAttempt(attempt: Delivery): void {
    if (this.#waiting.push(attempt) === 1) setImmediate(this.#flush);
  }

  /**
   * Ends a request that will not be answered any more. Its entry stays.
   * @returns false when the attempt was not its consumer's any more
   */
  failRequest(request: DeduplicatedRequest, error: EventQueueError, guard: OwnerGuard): Promise<boolean> {
    const frame = failureFrame(request.event.requestId, request.attempt, error);
    return this.#notifyCallers(request, 'failed', [frame], guard);
  }

  /**
   * Ends a request that was not answered in time. Its key is free again.
   * @returns false when it was ended before
   */
  expireRequest(request: DeduplicatedRequest): Promise<boolean> {
    const error = new TimeoutExpiredError(`'${request.event.action}' was not answered within its timeout`);
    const frame = failureFrame(request.event.requestId, request.attempt, error);
    return this.#notifyCallers(request, 'expired', [frame], ANY_OWNER);
  }

  /**
   * Answers a request that a dequeuer has taken out of the queue.
   * @param body JSON
   * @returns the time at which Redis registered the response, ms since 1970
   */
  respond(
    response: ServiceEvent,
    { origin, deduplication }: DeduplicatedReply,
    body: string,
  ): Promise<number> {
    const frame = `["${response.requestId}",1,0,1,${body}]`;
    return this.#call({ id: '', origin, deduplication, event: response }, 'response', [frame], ANY_OWNER);
  }

  readonly #flush = (): void => {
    const ended: EndedAttempt[] = [];
    for (const attempt of this.#waiting.splice(0)) {
      const settlement = attempt.takeReplies(BATCH_CHARACTERS);
      if (settlement.finished) ended.push({ attempt, settlement });
      else void this.#settle(attempt, settlement);
    }
    for (const batch of batchesOf(ended, charactersOf)) {
      const [{ attempt, settlement }] = batch as [EndedAttempt];
      if (batch.length === 1) void this.#settle(attempt, settlement);
      else void this.#settleBatch(batch);
    }
  };

  /**
   * Ends attempts together. Those for which others wait, and all when Redis refuses, are settled one by
   * one.
   */
  async #settleBatch(batch: readonly EndedAttempt[]): Promise<void> {
    const { connection } = this.#context;
    const doubt = { isInDoubt: false };
    let answer: [lost: string[], others: string[]];
    try {
      const call = batchCall(batch, this.#context);
      answer = (await callReliably(connection, call, this.#timeoutMs, doubt)) as typeof answer;
    } catch (failure) {
      for (const { attempt, settlement } of batch) {
        if (isReplyError(failure)) void this.#settle(attempt, settlement, { doubt });
        else attempt.onSettled('kept', failure);
      }
      return;
    }
    const [lost, others] = answer;
    for (const { attempt, settlement } of batch) {
      const index = others.indexOf(attempt.id);
      const waiters = index < 0 ? undefined : others[index + 1];
      if (waiters !== undefined) void this.#settle(attempt, settlement, { waiters, doubt });
      else if (lost.includes(attempt.id)) attempt.onSettled(doubt.isInDoubt ? 'in doubt' : 'lost');
      else attempt.onSettled('kept');
    }
  }

  /** @param known what an earlier call has shown */
  async #settle(attempt: Delivery, settlement: Settlement, known: Known = {}): Promise<void> {
    const { replies, finished } = settlement;
    let result: SettlementResult = 'kept';
    let failure: unknown;
    try {
      const guard = { consumer: attempt.read.consumer, minIdleMs: 0 };
      const answer = await this.#call(attempt.queued, finished ? 'end' : 'part', replies, guard, known);
      if (answer <= IN_DOUBT) result = answer === IN_DOUBT ? 'in doubt' : 'lost';
    } catch (error) {
      failure = error;
    }
    const otherwise = isReplyError(failure) && !known.isSubstitute ? attempt.refused(failure) : undefined;
    if (otherwise) return this.#settle(attempt, otherwise, { isSubstitute: true });
    attempt.onSettled(result, failure);
  }

  async #notifyCallers(
    request: Omit<DeduplicatedRequest, 'attempt'>,
    how: How,
    replies: readonly string[],
    guard: OwnerGuard,
  ): Promise<boolean> {
    return (await this.#call(request, how, replies, guard)) > 0;
  }

  /**
   * Runs the script.
   * @returns the time; 0 when the attempt was not its consumer's any more, or IN_DOUBT
   */
  async #call(
    { id, origin, event, deduplication = '', orderingKey = '' }: Omit<DeduplicatedRequest, 'attempt'>,
    how: How,
    replies: readonly string[],
    { consumer, minIdleMs }: OwnerGuard,
    known: Known = {},
  ): Promise<number> {
    const { keys } = this.#context;
    const { eventStream, lanes, laneBodies, cancelled } = keys;
    const record = keys.deduplication('request', deduplication);
    const requester = `${event.replyTo ?? ''} ${event.requestId}`;
    const rests = replies.map((reply) => withoutId(reply, event.requestId));
    const doubt = known.doubt ?? { isInDoubt: false };
    // Usually nobody else waits. Otherwise the script returns all callers.
    let waiters = known.waiters ?? requester;
    for (;;) {
      const addresses = new Addresses(keys);
      const inboxNumbers = addresses.inboxNumbersOf(waiters);
      const call = scripts.settleDeduplicated(
        { eventStream, record, lanes, laneBodies, cancelled, inboxes: addresses.keys },
        {
          group: GROUP,
          id,
          origin,
          orderingKey,
          consumer,
          minIdle: minIdleMs,
          how,
          waiters,
          requester,
          inboxNumbers,
          pushes: this.#context.pushes,
          replies: rests,
        },
      );
      const answer = await callReliably(this.#context.connection, call, this.#timeoutMs, doubt);
      if (typeof answer === 'number')
        return answer === 0 && doubt.isInDoubt && how !== 'part' ? IN_DOUBT : answer;
      waiters = String(answer);
    }
  }
}
