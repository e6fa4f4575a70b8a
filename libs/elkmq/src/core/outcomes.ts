import { encodeEvent } from './codec.js';
import type { Connection } from './connection.js';
import type { Dead, DeadLetter } from './dead-letters.js';
import type { QueuedEvent } from './entry.js';
import { GROUP, type QueueKeys } from './keys.js';
import { callReliably } from './reliable-call.js';
import { hyphenated } from './request-ids.js';
import type { ServiceEvent } from './service-event.js';

/** Dead letters that are kept; the oldest make room. */
const MAX_DEAD_LETTERS = 10_000;

/** The ways for one attempt to end, one call each. A worker's usual one is batched: see `Settler`. */
export class Outcomes {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #patience: number;

  /** @param patience how long each is tried while Redis is away, ms */
  constructor(connection: Connection, keys: QueueKeys, patience: number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#patience = patience;
  }

  /** Handled. @returns false when the attempt was not this consumer's any more */
  async finish(queued: QueuedEvent): Promise<boolean> {
    if (!queued.isOurs) return this.answerOriginal(queued);
    const args = [GROUP, '', queued.id, 0, 'f', ''];
    const lost = await callReliably(
      this.#connection,
      'settle',
      [this.#keys.eventStream],
      args,
      this.#patience,
    );
    return lost === 0;
  }

  /** Handled, for an event of an original client, with the response if one is due. */
  async answerOriginal({ id, origin, event }: QueuedEvent, response?: ServiceEvent): Promise<boolean> {
    const { eventStream, messageQueue, responseStream } = this.#keys;
    const keys = [eventStream, messageQueue, responseStream];
    const json = response ? encodeEvent(response) : '';
    const args = [GROUP, id, origin, hyphenated(event.requestId), json];
    return (await callReliably(this.#connection, 'answerOriginal', keys, args, this.#patience)) === 1;
  }

  /** Not handled: the message moves to the dead letters. */
  async deadLetter({ id, isOurs }: Dead, letter: DeadLetter): Promise<void> {
    const { eventStream, deadLetters, deadLetterBodies, messageQueue } = this.#keys;
    const keys = [eventStream, deadLetters, deadLetterBodies];
    if (!isOurs) keys.push(messageQueue);
    const args = [GROUP, id, letter.origin, letter.lastAt, JSON.stringify(letter), MAX_DEAD_LETTERS];
    await callReliably(this.#connection, 'deadLetter', keys, args, this.#patience);
  }

  /** Not for this consumer: the entry stays for those it is for. */
  async skip(id: string): Promise<void> {
    await callReliably(this.#connection, 'skip', [this.#keys.eventStream], [GROUP, id], this.#patience);
  }
}
