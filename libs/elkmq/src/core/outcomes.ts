import { encodeEvent } from './codec.js';
import type { Connection } from './connection.js';
import { ABANDONED_LETTER, type Dead, type DeadLetterCap, type StoredDeadLetter } from './dead-letters.js';
import { fieldsOfNext, type QueuedEvent } from './entry.js';
import type { EventQueueError } from './errors.js';
import { GROUP, type QueueKeys } from './keys.js';
import { DEFAULTS } from './options.js';
import { callReliably } from './reliable-call.js';
import { failureFrame } from './reply-frame.js';
import { hyphenated } from './request-ids.js';
import type { ScriptName } from './scripts.js';
import type { ServiceEvent } from './service-event.js';

/** Whose an entry must be for it to be taken away. */
export interface Holder {
  /** Name in the group; empty for anyone. */
  readonly consumer: string;
  /** How long its lease must not have been renewed, ms. */
  readonly unrenewedFor: number;
}

const ANYONE: Holder = { consumer: '', unrenewedFor: 0 };

/** So many dead letters were dropped: because there were too many, and because of their age. */
export type DroppedLetters = (tooMany: number, tooOld: number) => void;

/** The ways for one attempt to end, one call each. A worker's usual one is batched: see `Settler`. */
export class Outcomes {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
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
    patience: number,
    cap: DeadLetterCap = DEFAULTS.deadLetters,
    dropped?: DroppedLetters,
  ) {
    this.#connection = connection;
    this.#keys = keys;
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
    const args = [GROUP, id, 0, '', ''];
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
  async answerOriginal({ id, origin, event }: QueuedEvent, response?: ServiceEvent): Promise<boolean> {
    const { eventStream, messageQueue, responseStream } = this.#keys;
    const keys = [eventStream, messageQueue, responseStream];
    const json = response ? encodeEvent(response) : '';
    const args = [GROUP, id, origin, hyphenated(event.requestId), json];
    return this.#isDone('answerOriginal', keys, args, (done) => done === 1);
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
    if (event && inbox !== undefined && error) {
      keys.push(inbox);
      told = ['inbox', `[${failureFrame(event.requestId, dead.attempt, error)}]`];
    } else if (!dead.isOurs) {
      keys.push(messageQueue);
      told = ['list', ''];
    }
    const { max, maxAge } = this.#cap;
    const body = [letter.origin, letter.lastAt, JSON.stringify(letter), max, maxAge];
    const args = [GROUP, dead.id, ...body, holder.consumer, holder.unrenewedFor, ...told];
    const answer = await callReliably(this.#connection, 'deadLetter', keys, args, this.#patience);
    if ((answer as number[]).length === 0) return false;
    const [tooMany, tooOld] = answer as [number, number];
    if (tooMany + tooOld > 0) this.#dropped?.(tooMany, tooOld);
    return true;
  }

  /** To be tried again by whoever is free: the message goes back to the queue, as another attempt. */
  async retry(id: string, holder = ANYONE): Promise<void> {
    const args = [GROUP, 1, holder.consumer, holder.unrenewedFor, id];
    await callReliably(this.#connection, 'requeue', [this.#keys.eventStream], args, this.#patience);
  }

  /** Handled after all: the dead letter of a message that was given up is taken back. */
  async withdraw(origin: string): Promise<void> {
    const { deadLetters, deadLetterBodies } = this.#keys;
    const args = [origin, ABANDONED_LETTER];
    await callReliably(this.#connection, 'withdraw', [deadLetters, deadLetterBodies], args, this.#patience);
  }

  /** An attempt that is gone after a try in doubt was ended by that try, whose answer was lost. */
  async #isDone(
    script: ScriptName,
    keys: string[],
    args: (string | number)[],
    isDone: (answer: unknown) => boolean,
  ): Promise<boolean> {
    const doubt = { isInDoubt: false };
    const answer = await callReliably(this.#connection, script, keys, args, this.#patience, doubt);
    return isDone(answer) || doubt.isInDoubt;
  }

  /** Not for this consumer: the entry stays for those it is for. */
  async skip(id: string): Promise<void> {
    await callReliably(this.#connection, 'skip', [this.#keys.eventStream], [GROUP, id], this.#patience);
  }
}
