import type { QueueContext } from '../context/queue-context.js';
import type { Delivery } from './delivery.js';
import type { QueuedEvent } from '../model/entry.js';
import { TimeoutExpiredError, type EventQueueError } from '../model/errors.js';
import { ANY_OWNER, type OwnerGuard } from '../consumer/session.js';
import { GROUP } from '../model/keys.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { failureFrame, withoutId } from '../model/reply-frame.js';
import type { ServiceEvent, DeduplicatedReply } from '../model/service-event.js';
import { BATCH_CHARACTERS, type SettlementResult, type Settlement } from './settlement-batch.js';

/** The data that identify a deduplicated request. */
export type DeduplicatedRequest = Pick<
  QueuedEvent,
  'id' | 'origin' | 'attempt' | 'event' | 'deduplication' | 'orderingKey'
>;

/** See `settle_deduplicated.lua`. */
type How = 'part' | 'end' | 'failed' | 'expired' | 'response';

/**
 * Stands in place of the time. The request is gone, and an earlier call, whose answer was lost, may have
 * ended it.
 */
const IN_DOUBT = 1;

/**
 * The outcomes of a deduplicated request. All its callers are notified, and the record of its key remembers
 * their replies. Such requests do not go through the `SettlementQueue`, because one call serves one of them.
 */
export class DeduplicatedRequests {
  readonly #context: QueueContext;
  readonly #patience: number;

  /** @param patience time for which each call is tried while Redis is away, ms */
  constructor(context: QueueContext, patience: number) {
    this.#context = context;
    this.#patience = patience;
  }

  /** Adds an attempt. Its settlement is taken at the end of the tick. */
  settleAttempt(attempt: Delivery): void {
    setImmediate(() => void this.#settle(attempt));
  }

  /**
   * Ends a request that will not be answered any more. Its entry stays.
   * @returns false when the attempt was not its consumer's any more
   */
  failRequest(request: DeduplicatedRequest, error: EventQueueError, guard: OwnerGuard): Promise<boolean> {
    const frame = failureFrame(request.event.requestId, request.attempt, error);
    return this.#share(request, 'failed', [frame], guard);
  }

  /**
   * Ends a request that was not answered in time. Its key is free again.
   * @returns false when it was ended before
   */
  expireRequest(request: DeduplicatedRequest): Promise<boolean> {
    const error = new TimeoutExpiredError(`'${request.event.action}' was not answered within its timeout`);
    const frame = failureFrame(request.event.requestId, request.attempt, error);
    return this.#share(request, 'expired', [frame], ANY_OWNER);
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

  /** @param instead replaces the settlement that Redis has refused */
  async #settle(attempt: Delivery, instead?: Settlement): Promise<void> {
    const { replies, finished } = instead ?? attempt.takeReplies(BATCH_CHARACTERS);
    let fate: SettlementResult = 'kept';
    let failure: unknown;
    try {
      const guard = { consumer: attempt.read.consumer, minIdleMs: 0 };
      const answer = await this.#call(attempt.queued, finished ? 'end' : 'part', replies, guard);
      if (answer <= IN_DOUBT) fate = answer === IN_DOUBT ? 'in doubt' : 'lost';
    } catch (error) {
      failure = error;
    }
    const otherwise = isReplyError(failure) && !instead ? attempt.refused(failure) : undefined;
    if (otherwise) return this.#settle(attempt, otherwise);
    attempt.onSettled(fate, failure);
  }

  async #share(
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
  ): Promise<number> {
    const { keys } = this.#context;
    const { eventStream, lanes, laneBodies, cancelled } = keys;
    const record = keys.deduplication('request', deduplication);
    const requester = `${event.replyTo ?? ''} ${event.requestId}`;
    const rests = replies.map((reply) => withoutId(reply, event.requestId));
    const doubt = { isInDoubt: false };
    // Usually nobody else waits. Otherwise the script returns all callers.
    let waiters = requester;
    for (;;) {
      const { inboxes, inboxNumbers } = this.#addressesOf(waiters);
      const call = scripts.settleDeduplicated(
        { eventStream, record, lanes, laneBodies, cancelled, inboxes },
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
          replies: rests,
        },
      );
      const answer = await callReliably(this.#context.connection, call, this.#patience, doubt);
      if (typeof answer === 'number')
        return answer === 0 && doubt.isInDoubt && how !== 'part' ? IN_DOUBT : answer;
      waiters = String(answer);
    }
  }

  /** The inboxes of the callers, and for each caller the number of its inbox, from 1. */
  #addressesOf(waiters: string): { inboxes: string[]; inboxNumbers: string } {
    const inboxes: string[] = [];
    const numbers: number[] = [];
    for (const [, client = '', requestId = ''] of waiters.matchAll(/(\S+) (\S+)/g)) {
      // Nothing is written to an address that is not one of a client.
      const inbox = /^\d+$/.test(requestId) ? this.#context.keys.inbox(client) : undefined;
      const known = inbox === undefined ? -1 : inboxes.indexOf(inbox);
      if (inbox === undefined) numbers.push(0);
      else numbers.push(known < 0 ? inboxes.push(inbox) : known + 1);
    }
    return { inboxes, inboxNumbers: numbers.join(' ') };
  }
}
