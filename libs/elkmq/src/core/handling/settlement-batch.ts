import { GROUP, type QueueKeys } from '../keys.js';
import type { ScriptName } from '../redis/scripts.js';
import { Stretch, type Placed } from './stretch.js';

/** An attempt that has something to settle. */
export interface Settlable extends Placed {
  /** The client whose inbox takes the replies. */
  readonly replyTo: string | undefined;
  /** What is to be said now, about as many characters as `limit` at most. */
  take(limit: number): Settlement;
  /**
   * What was taken is in Redis, or will never be.
   * @param error why it will not be
   */
  settled(fate: Fate, error?: unknown): void;
  /**
   * Redis refuses what was taken, and always will. With what is said in its place the attempt ends.
   * @returns `undefined` when there is nothing to be said
   */
  refused(error: Error): Settlement | undefined;
}

/**
 * Whose an attempt was when it was settled: its worker's; not its worker's any more; or not any more, when its worker may
 * have ended it by an earlier try.
 */
export type Fate = 'kept' | 'lost' | 'in doubt';

export interface Settlement {
  /** Replies, each as JSON; may be none. */
  readonly replies: readonly string[];
  /** Whether the attempt ends with this. */
  readonly finished: boolean;
}

/** A batch has so many characters of replies at the most, or one attempt. */
export const BATCH_SIZE = 512 * 1024;

/** One call of a script. */
export interface SettlementCall {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  readonly attempts: readonly Settlable[];
  /** What each of them has said. */
  readonly settlements: readonly Settlement[];
}

/** Attempts that are settled together: those that finish in one call, those that go on in another. */
export class SettlementBatch {
  /** Characters of replies. */
  size = 0;
  readonly #queueKeys: QueueKeys;
  readonly #most: number;
  readonly #keys: string[];
  readonly #places = new Map<string, number>();
  readonly #finished: Settlable[] = [];
  readonly #lastWords: Settlement[] = [];
  readonly #stretch = new Stretch();
  /** The replies and ids of those that finish, by the place of the inbox among the keys. */
  readonly #endings = new Map<number, { replies: string[]; ids: string[] }>();
  readonly #unfinished: Settlable[] = [];
  readonly #words: Settlement[] = [];
  readonly #parts: (string | number)[] = [];

  /** @param most how many attempts it can have */
  constructor(queueKeys: QueueKeys, most: number) {
    this.#queueKeys = queueKeys;
    this.#most = most;
    this.#keys = [queueKeys.eventStream];
  }

  get isFull(): boolean {
    return this.size >= BATCH_SIZE || this.#finished.length + this.#unfinished.length >= this.#most;
  }

  add(attempt: Settlable, settlement: Settlement): void {
    const { replies, finished } = settlement;
    const joined = replies.join(',');
    const place = joined === '' ? 0 : this.#placeOf(attempt.replyTo);
    this.size += joined.length;
    if (finished) {
      this.#finished.push(attempt);
      this.#lastWords.push(settlement);
      this.#stretch.add(attempt);
      this.#addEnding(place, attempt.id, joined);
    } else {
      this.#unfinished.push(attempt);
      this.#words.push(settlement);
      this.#parts.push(attempt.id, place, attempt.read.consumer, joined);
    }
  }

  calls(): SettlementCall[] {
    const calls: SettlementCall[] = [];
    if (this.#finished.length > 0) {
      const args: (string | number)[] = [GROUP, ...this.#stretch.bounds];
      for (const [place, { replies, ids }] of this.#endings) {
        // A line for each attempt: JSON has no line break of its own.
        args.push(place, ids.length, place === 0 ? '' : `[${replies.join('\n,')}]`, ...ids);
      }
      calls.push({
        script: 'settle',
        keys: this.#keys,
        args,
        attempts: this.#finished,
        settlements: this.#lastWords,
      });
    }
    if (this.#unfinished.length > 0) {
      const args = [GROUP, ...this.#parts];
      calls.push({
        script: 'answerInPart',
        keys: this.#keys,
        args,
        attempts: this.#unfinished,
        settlements: this.#words,
      });
    }
    return calls;
  }

  #addEnding(place: number, id: string, replies: string): void {
    let endings = this.#endings.get(place);
    if (!endings) {
      endings = { replies: [], ids: [] };
      this.#endings.set(place, endings);
    }
    endings.replies.push(replies);
    endings.ids.push(id);
  }

  /** The place of the inbox among the keys; 0 when there is none to write to. */
  #placeOf(replyTo: string | undefined): number {
    if (replyTo === undefined) return 0;
    const known = this.#places.get(replyTo);
    if (known !== undefined) return known;
    // An address that is not one of a client, so that it could name another key, is never written to.
    const inbox = this.#queueKeys.inbox(replyTo);
    const place = inbox === undefined ? 0 : this.#keys.push(inbox);
    this.#places.set(replyTo, place);
    return place;
  }
}
