import { ANYONE, type Holder } from './holder.js';
import { Sharing } from './sharing.js';
import { encodeEvent } from '../wire/codec.js';
import type { Connection } from '../redis/connection.js';
import {
  ABANDONED_LETTER,
  shortJsonOf,
  type Dead,
  type DeadLetterCap,
  type StoredDeadLetter,
} from '../dead-letters/dead-letters.js';
import { fieldsOfNext, type QueuedEvent } from '../wire/entry.js';
import type { EventQueueError } from '../errors.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { DEFAULTS } from '../options.js';
import { deletableAt, type Competition } from '../interop/competition.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import { requeue } from './requeue.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import { failureFrame } from '../wire/reply-frame.js';
import { hyphenated } from '../wire/request-ids.js';
import type { ScriptName } from '../redis/scripts.js';
import { NO_STRETCH } from './stretch.js';
import type { ServiceEvent } from '../service-event.js';

/** So many dead letters were dropped: because there were too many, and because of their age. */
export type DroppedLetters = (tooMany: number, tooOld: number) => void;

/** The ways for one attempt to end, one call each. A worker's usual one is batched: see `Settler`. */
export class Outcomes {
  /** For requests that several may wait for. */
  readonly sharing: Sharing;
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #competition: Competition;
  readonly #patience: number;
  readonly #cap: DeadLetterCap;
  readonly #dropped: DroppedLetters | undefined;

  /**
   * @param patience how long each is tried while Redis is away, ms
   * @param cap what is kept of the dead letters when one is added
   * @param dropped told when others were dropped then
   */
  constructor(
    connection: Connection,
    keys: QueueKeys,
    competition: Competition,
    patience: number,
    cap: DeadLetterCap = DEFAULTS.deadLetters,
    dropped?: DroppedLetters,
  ) {
    this.sharing = new Sharing(connection, keys, patience);
    this.#connection = connection;
    this.#keys = keys;
    this.#competition = competition;
    this.#patience = patience;
    this.#cap = cap;
    this.#dropped = dropped;
  }

  /** Handled. @returns false when the attempt was not this consumer's any more */
  async finish(queued: QueuedEvent): Promise<boolean> {
    if (!queued.isOurs) return this.answerOriginal(queued);
    return this.discard(queued.id);
  }

  /** Nothing more is to be done with an entry. @returns false when it was not this consumer's any more */
  async discard(id: string): Promise<boolean> {
    const args = [GROUP, ...NO_STRETCH, 0, 1, '', id];
    return this.#isDone('settle', [this.#keys.eventStream], args, (lost) => (lost as string[]).length === 0);
  }

  /**
   * To be tried again later, as another attempt.
   * @param delay whole ms
   * @returns false when the attempt was not this consumer's any more
   */
  async delay(queued: QueuedEvent, delay: number): Promise<boolean> {
    const { eventStream, delayed, delayedBodies } = this.#keys;
    const fields = JSON.stringify(fieldsOfNext(queued));
    const args = [GROUP, queued.id, queued.origin, delay, fields];
    return this.#isDone('delay', [eventStream, delayed, delayedBodies], args, (done) => done === 1);
  }

  /** Handled, for an event of an original client, with the response if one is due. */
  async answerOriginal(
    { id, origin, event, fields }: QueuedEvent,
    response?: ServiceEvent,
  ): Promise<boolean> {
    const { eventStream, messageQueue, responseStream } = this.#keys;
    const keys = [eventStream, messageQueue, responseStream];
    const json = response ? encodeEvent(response) : '';
    // Whoever won the entry has taken its id; a later entry than the first is in the list only if it was won.
    const isListed = origin === id && !this.#competition.concerns([id, [...fields]]);
    const args = [GROUP, id, isListed ? id : '', hyphenated(event.requestId), json];
    return this.#isDone('answerOriginal', keys, args, (done) => done === 1, origin);
  }

  /**
   * Not handled: the message moves to the dead letters.
   * @param error what its requester is told, if it has one
   * @param holder when it is another consumer's: whose it must still be, and for how long unrenewed
   * @returns false when it was not
   */
  async deadLetter(
    dead: Dead,
    letter: StoredDeadLetter,
    error?: EventQueueError,
    holder = ANYONE,
  ): Promise<boolean> {
    const { eventStream, deadLetters, deadLetterBodies, messageQueue } = this.#keys;
    const { event } = dead;
    const inbox = event?.replyTo === undefined ? undefined : this.#keys.inbox(event.replyTo);
    const keys = [eventStream, deadLetters, deadLetterBodies];
    let told = ['', ''];
    if (dead.deduplication !== undefined && event && error) {
      if (!(await this.sharing.fail({ ...dead, event }, error, holder))) return false;
    } else if (event && inbox !== undefined && error) {
      keys.push(inbox);
      told = ['inbox', `[${failureFrame(event.requestId, dead.attempt, error)}]`];
    } else if (!dead.isOurs) {
      keys.push(messageQueue);
      told = ['list', ''];
    }
    const { max, maxAge } = this.#cap;
    const write = (json: string, missing: 'fields' | ''): Promise<unknown> => {
      const body = [letter.origin, letter.lastAt, json, max, maxAge];
      const args = [GROUP, dead.id, ...body, holder.consumer, holder.unrenewedFor, ...told, missing];
      return callReliably(this.#connection, 'deadLetter', keys, args, this.#patience);
    };
    const answer = await write(JSON.stringify(letter), '').catch((failure: unknown) => {
      if (!isReplyError(failure)) throw failure;
      // It may be too large to be sent. The entry, which has most of it, is in Redis already.
      return write(shortJsonOf(letter), 'fields');
    });
    if ((answer as number[]).length === 0) return false;
    const [tooMany, tooOld] = answer as [number, number];
    if (tooMany + tooOld > 0) this.#dropped?.(tooMany, tooOld);
    return true;
  }

  /** To be tried again by whoever is free: the message goes back to the queue, as another attempt. */
  async retry(id: string, holder = ANYONE): Promise<void> {
    await requeue(this.#connection, this.#keys, this.#competition, [id], this.#patience, 1, holder);
  }

  /** Never started by the one who has it: it goes back to the queue. */
  async putBack(id: string, holder: Holder): Promise<void> {
    await requeue(this.#connection, this.#keys, this.#competition, [id], this.#patience, 0, holder);
  }

  /** Handled after all: the dead letter of a message that was given up is taken back. */
  async withdraw(origin: string): Promise<void> {
    const { deadLetters, deadLetterBodies } = this.#keys;
    const args = [origin, ABANDONED_LETTER];
    await callReliably(this.#connection, 'withdraw', [deadLetters, deadLetterBodies], args, this.#patience);
  }

  /**
   * An attempt that is gone after a try in doubt was ended by that try, whose answer was lost.
   * @param handled the origin of what was handled, and may have been given up by others since
   */
  async #isDone(
    script: ScriptName,
    keys: string[],
    args: (string | number)[],
    isDone: (answer: unknown) => boolean,
    handled?: string,
  ): Promise<boolean> {
    const doubt = { isInDoubt: false };
    const answer = await callReliably(this.#connection, script, keys, args, this.#patience, doubt);
    if (isDone(answer)) return true;
    if (doubt.isInDoubt && handled !== undefined) await this.withdraw(handled);
    return doubt.isInDoubt;
  }

  /** Not for this consumer: the entry stays for those it is for, until its time has passed. */
  async skip(entry: StreamEntry): Promise<void> {
    const keys = [this.#keys.eventStream, this.#keys.leftovers];
    await callReliably(this.#connection, 'skip', keys, [GROUP, entry[0], deletableAt(entry)], this.#patience);
  }
}
