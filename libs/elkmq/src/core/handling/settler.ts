import { whenBatched } from '../batching.js';
import type { Connection } from '../redis/connection.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { callReliably } from '../redis/reliable-call.js';

/** An attempt that has something to settle. */
export interface Settlable {
  /** Id of the entry. */
  readonly id: string;
  /** The name in the group for which it is pending. */
  readonly consumer: string;
  /** The client whose inbox takes the replies. */
  readonly replyTo: string | undefined;
  /** What is to be said now, about as many characters as `limit` at most. */
  take(limit: number): Settlement;
  /**
   * What was taken is in Redis, or will never be.
   * @param isLost the attempt was not the worker's any more
   */
  settled(isLost: boolean, error?: unknown): void;
}

export interface Settlement {
  /** Replies, each as JSON; may be none. */
  readonly replies: readonly string[];
  /** Whether the attempt ends with this. */
  readonly finished: boolean;
}

/** So many attempts go out before the end of the tick: Redis works on them while the rest is handled. */
const EARLY = 32;
/** A batch is as large as this, in attempts and in characters of replies. */
const BATCH_COUNT = 256;
export const BATCH_SIZE = 512 * 1024;
/** A worker tries to settle for as long as this, ms. */
export const PATIENCE = 24 * 60 * 60 * 1_000;

/** Settles attempts in batches: what ends during one tick goes out together, and so do replies to one client. */
export class Settler {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  #waiting: Settlable[] = [];
  #inFlight = 0;

  constructor(connection: Connection, keys: QueueKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** `attempt` is asked for what it has to say when the batch goes out. */
  add(attempt: Settlable): void {
    const { length } = this.#waiting;
    this.#waiting.push(attempt);
    if (length === 0) whenBatched(this.#inFlight === 0, this.#flush);
    // Not before this attempt has said all that it says in one go.
    else if (length === EARLY - 1) queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    let batch = new Batch(this.#keys);
    for (const attempt of waiting) {
      if (batch.size >= BATCH_SIZE || batch.attempts.length >= BATCH_COUNT) {
        void this.#send(batch);
        batch = new Batch(this.#keys);
      }
      batch.add(attempt, attempt.take(BATCH_SIZE - batch.size));
    }
    void this.#send(batch);
  };

  async #send({ keys, args, attempts }: Batch): Promise<void> {
    this.#inFlight++;
    let failure: unknown;
    let lost: string[] = [];
    const doubt = { isInDoubt: false };
    try {
      lost = (await callReliably(
        this.#connection,
        'settle',
        keys,
        [GROUP, ...args],
        PATIENCE,
        doubt,
      )) as string[];
    } catch (error) {
      failure = error;
    }
    for (const { attempt, finished } of attempts) {
      // After a try in doubt, an attempt that is gone may have been ended by that try, whose answer was lost.
      const mayHaveEnded = finished && doubt.isInDoubt;
      attempt.settled(!mayHaveEnded && lost.includes(attempt.id), failure);
    }
    this.#inFlight--;
  }
}

/** The keys and arguments of one call of the script. */
class Batch {
  readonly keys: string[];
  readonly args: (string | number)[] = [];
  readonly attempts: { readonly attempt: Settlable; readonly finished: boolean }[] = [];
  size = 0;
  readonly #places = new Map<string, number>();

  constructor(private readonly queueKeys: QueueKeys) {
    this.keys = [queueKeys.eventStream];
  }

  add(attempt: Settlable, settlement: Settlement): void {
    const { finished } = settlement;
    const replies = settlement.replies.join(',');
    const place = replies === '' ? 0 : this.#placeOf(attempt.replyTo);
    this.args.push(attempt.id, place, finished ? '' : attempt.consumer, replies);
    this.attempts.push({ attempt, finished });
    this.size += replies.length;
  }

  /** The place of the inbox among the keys; 0 when there is none to write to. */
  #placeOf(replyTo: string | undefined): number {
    if (replyTo === undefined) return 0;
    const known = this.#places.get(replyTo);
    if (known !== undefined) return known;
    // An address that is not one of a client, so that it could name another key, is never written to.
    const inbox = this.queueKeys.inbox(replyTo);
    const place = inbox === undefined ? 0 : this.keys.push(inbox);
    this.#places.set(replyTo, place);
    return place;
  }
}
