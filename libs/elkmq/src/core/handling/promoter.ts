import type { Connection } from '../redis/connection.js';
import type { QueueKeys } from '../keys.js';
import type { RedisClock } from '../redis/redis-clock.js';
import { isReplyError } from '../redis/redis-errors.js';
import { runScript, send } from '../redis/scripts.js';

/** Between two looks at when the first delayed message is due, ms: other processes delay messages too. */
const LOOK = 1_000;
/** Between two calls of the script at the least, ms: what is due in the meantime goes together. */
const PAUSE = 5;
/** Messages, and bytes, of one call. */
const COUNT = 200;
const SIZE = 1024 * 1024;

/**
 * Puts delayed messages into the queue when they are due. It wakes when the first of them is; all workers of a queue
 * have one, and whichever comes first does it.
 */
export class Promoter {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #clock: RedisClock;
  readonly #onError: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the next one is due, as far as is known: `performance.now()`. */
  #due = 0;
  #isRefused = false;
  #isStopped = false;
  #working: Promise<void> | undefined;

  /** @param onError is told when Redis refuses, once until it does not any more */
  constructor(connection: Connection, keys: QueueKeys, clock: RedisClock, onError: (error: Error) => void) {
    this.#connection = connection;
    this.#keys = keys;
    this.#clock = clock;
    this.#onError = onError;
    this.#schedule();
  }

  /** A message is due then, ms since 1970 on the clock of Redis. */
  expect(due: number): void {
    const at = performance.now() + due - this.#clock.now();
    // Whoever can write to the queue can name a time that is none.
    if (!(at < this.#due)) return;
    this.#due = at;
    if (!this.#working) this.#schedule();
  }

  /** Puts nothing more into the queue. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    const pause = Math.min(this.#due - performance.now(), LOOK);
    this.#timer = setTimeout(
      () => {
        this.#working = this.#work().finally(() => {
          this.#working = undefined;
          this.#schedule();
        });
      },
      Math.max(pause, PAUSE),
    ).unref();
  }

  async #work(): Promise<void> {
    // While Redis is away there is nothing to be done; it is looked at again when it is back.
    if (!this.#connection.isConnected) {
      this.#due = Infinity;
      return;
    }
    const isDue = this.#due <= performance.now();
    // What is expected while Redis is asked counts beside what it answers.
    this.#due = Infinity;
    try {
      const wait = isDue ? await this.#promote() : await this.#look();
      this.#due = Math.min(this.#due, performance.now() + wait);
      this.#isRefused = false;
    } catch (error) {
      // Otherwise Redis went away.
      if (!isReplyError(error) || this.#isRefused) return;
      this.#isRefused = true;
      this.#onError(error);
    }
  }

  /** @returns how long it is until the next message is due, ms */
  async #promote(): Promise<number> {
    const { eventStream, delayed, delayedBodies } = this.#keys;
    const keys = [eventStream, delayed, delayedBodies];
    const wait = (await runScript(this.#connection.client, 'promote', keys, [COUNT, SIZE])) as number;
    return wait < 0 ? Infinity : wait;
  }

  async #look(): Promise<number> {
    const args = [this.#keys.delayed, 0, 0, 'WITHSCORES'];
    const [, due] = (await send(this.#connection.client, 'zrange', args)) as string[];
    return due === undefined ? Infinity : timeOf(due) - this.#clock.now();
  }
}

/** Redis writes `inf` and `-inf`. */
function timeOf(score: string): number {
  return Number(score.replace('inf', 'Infinity'));
}
