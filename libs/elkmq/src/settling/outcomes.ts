import type { QueueContext } from '../legacy/queue-context.js';
import { ANY_OWNER, requeue, type OwnerGuard } from '../consumer/session.js';
import { DeduplicatedRequests } from './deduplicated-requests.js';
import { encodeEvent } from '../model/codec.js';
import {
  ABANDONED_LETTER,
  shortJsonOf,
  type Dead,
  type DeadLetterCap,
  type StoredDeadLetter,
} from '../dead-letters/dead-letter.js';
import { fieldsOfNext, type QueuedEvent } from '../model/entry.js';
import type { EventQueueError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import { DEFAULTS } from '../model/options.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { failureFrame } from '../model/reply-frame.js';
import { hyphenated } from '../model/request-ids.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { DroppedLetters } from '../dead-letters/trim-report.js';

/** The outcomes of one attempt, one call each. The usual outcome of a worker is batched: see `Settler`. */
export class Outcomes {
  /** The outcomes of requests for which several callers may wait. */
  readonly deduplicated: DeduplicatedRequests;
  readonly #context: QueueContext;
  readonly #patience: number;
  readonly #cap: DeadLetterCap;
  readonly #dropped: DroppedLetters | undefined;

  /**
   * @param patience time for which each call is tried while Redis is away, ms
   * @param cap the limits of the dead letters, which apply when one is added
   * @param dropped is called when others were dropped then
   */
  constructor(
    context: QueueContext,
    patience: number,
    cap: DeadLetterCap = DEFAULTS.deadLetters,
    dropped?: DroppedLetters,
  ) {
    this.#context = context;
    this.deduplicated = new DeduplicatedRequests(context, patience);
    this.#patience = patience;
    this.#cap = cap;
    this.#dropped = dropped;
  }

  /**
   * The attempt was handled.
   * @returns false when the attempt was not this consumer's any more
   */
  async finish(queued: QueuedEvent): Promise<boolean> {
    if (!queued.isOurs) return this.answerOriginal(queued);
    return this.discard(queued.id);
  }

  /**
   * Removes an entry with which nothing more is to be done.
   * @returns false when it was not this consumer's any more
   */
  async discard(id: string): Promise<boolean> {
    const { eventStream } = this.#context.keys;
    const endings = [{ inbox: 0, replies: '', ids: [id] }];
    const call = scripts.settle({ eventStream, inboxes: [] }, { group: GROUP, first: '', stop: '', endings });
    return this.#isDone(call, (lost) => (lost as string[]).length === 0);
  }

  /**
   * Tries the message again later, as another attempt.
   * @param delay whole ms
   * @returns false when the attempt was not this consumer's any more
   */
  async delay(queued: QueuedEvent, delay: number): Promise<boolean> {
    const { id, origin } = queued;
    const fields = JSON.stringify(fieldsOfNext(queued));
    const call = scripts.delay(this.#context.keys, { group: GROUP, id, origin, delay, fields });
    return this.#isDone(call, (done) => done === 1);
  }

  /** Ends an event of a legacy client that was handled, with the response if one is due. */
  async answerOriginal(
    { id, origin, event, fields }: QueuedEvent,
    response?: ServiceEvent,
  ): Promise<boolean> {
    const json = response ? encodeEvent(response) : '';
    // The winner of the entry has taken its id. A later entry than the first is in the list only if it was
    // won.
    const isListed = origin === id && !this.#context.legacy.isContested([id, [...fields]]);
    const call = scripts.answerLegacy(this.#context.keys, {
      group: GROUP,
      id,
      listed: isListed ? id : '',
      request: hyphenated(event.requestId),
      response: json,
    });
    return this.#isDone(call, (done) => done === 1, origin);
  }

  /**
   * Moves a message that was not handled to the dead letters.
   * @param error for its caller, if it has one
   * @param holder the owner that it must still have, if that is another consumer
   * @returns false when it had another owner
   */
  async deadLetter(
    dead: Dead,
    letter: StoredDeadLetter,
    error?: EventQueueError,
    holder = ANY_OWNER,
  ): Promise<boolean> {
    const { eventStream, deadLetters, deadLetterBodies, messageQueue } = this.#context.keys;
    const { event } = dead;
    const inbox = event?.replyTo === undefined ? undefined : this.#context.keys.inbox(event.replyTo);
    let replies: string | undefined;
    if (dead.deduplication !== undefined && event && error) {
      if (!(await this.deduplicated.failRequest({ ...dead, event }, error, holder))) return false;
    } else if (event && inbox !== undefined && error) {
      replies = `[${failureFrame(event.requestId, dead.attempt, error)}]`;
    }
    const { max, maxAge } = this.#cap;
    const keys = { eventStream, deadLetters, deadLetterBodies, messageQueue };
    const write = (json: string, withFields: boolean): Promise<unknown> => {
      const call = scripts.deadLetter(replies === undefined ? keys : { ...keys, inbox }, {
        group: GROUP,
        id: dead.id,
        origin: letter.origin,
        diedAt: letter.lastAt,
        letter: json,
        withFields,
        max,
        maxAge,
        consumer: holder.consumer,
        minIdle: holder.minIdleMs,
        isListed: !dead.isOurs,
        replies: replies ?? '',
      });
      return callReliably(this.#context.connection, call, this.#patience);
    };
    const answer = await write(JSON.stringify(letter), false).catch((failure: unknown) => {
      if (!isReplyError(failure)) throw failure;
      // The letter may be too large to be sent. The entry, which has most of it, is in Redis already.
      return write(shortJsonOf(letter), true);
    });
    if ((answer as number[]).length === 0) return false;
    const [tooMany, tooOld] = answer as [number, number];
    if (tooMany + tooOld > 0) this.#dropped?.(tooMany, tooOld);
    return true;
  }

  /** Puts the message back into the queue as another attempt, for any worker that is free. */
  async retry(id: string, holder = ANY_OWNER): Promise<void> {
    await requeue(this.#context, [id], this.#patience, 1, holder);
  }

  /** Puts back an entry that its owner never started. */
  async putBack(id: string, holder: OwnerGuard): Promise<void> {
    await requeue(this.#context, [id], this.#patience, 0, holder);
  }

  /** Deletes the dead letter of a message that was given up, and was handled after all. */
  async removeAbandonedLetter(origin: string): Promise<void> {
    const call = scripts.removeAbandonedLetter(this.#context.keys, { origin, beginning: ABANDONED_LETTER });
    await callReliably(this.#context.connection, call, this.#patience);
  }

  /**
   * Runs a script. An attempt that is gone after a call in doubt was ended by that call, whose answer was
   * lost.
   * @param handled the origin of a handled message, which others may have given up since
   */
  async #isDone(call: ScriptCall, isDone: (answer: unknown) => boolean, handled?: string): Promise<boolean> {
    const doubt = { isInDoubt: false };
    const answer = await callReliably(this.#context.connection, call, this.#patience, doubt);
    if (isDone(answer)) return true;
    if (doubt.isInDoubt && handled !== undefined) await this.removeAbandonedLetter(handled);
    return doubt.isInDoubt;
  }

  /**
   * Passes over an entry that is not for this consumer. It stays for its readers until its time has passed.
   */
  async skip(entry: StreamEntry): Promise<void> {
    const call = scripts.skip(this.#context.keys, {
      group: GROUP,
      id: entry[0],
      deletable: this.#context.legacy.deletableAt(entry),
    });
    await callReliably(this.#context.connection, call, this.#patience);
  }
}
