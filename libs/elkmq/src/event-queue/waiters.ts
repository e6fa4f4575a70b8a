import { ConnectionError, EmptyQueueError } from '../model/errors.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { AnswerTimer } from '../redis/answer-timer.js';

/** A call that waits for an entry. */
interface Waiter {
  /** The `performance.now()` at which it gives up. */
  readonly deadline: number;
  take(entry: ServedEntry): void;
  fail(error: Error): void;
}

/** An entry, and the number of its partition. Without partitions: 0. */
export interface ServedEntry {
  readonly entry: StreamEntry;
  readonly partition: number;
}

/**
 * The calls that wait for an entry, in their order. The readers of all partitions of a queue share them: the
 * first entry that one of them reads ends the first call.
 */
export class Waiters {
  readonly #waiting: Waiter[] = [];
  readonly #wakeReaders: (() => void)[] = [];

  /**
   * Adds a reader.
   * @param wake is called when a call begins to wait
   */
  addReader(wake: () => void): void {
    this.#wakeReaders.push(wake);
  }

  /**
   * The number of entries that one reader may ask for: its share, rounded up. If each asked for as many as
   * there are calls, most of what they bring would have to go back.
   */
  get share(): number {
    return Math.ceil(this.#waiting.length / this.#wakeReaders.length);
  }

  /** The time until the first call gives up, ms. */
  get timeoutMs(): number {
    return Math.min(...this.#waiting.map(({ deadline }) => deadline)) - performance.now();
  }

  /**
   * Waits for the next entry.
   * @param deadline `performance.now()` at which to give up; `Infinity` for never
   * @param isAway tells at the deadline whether Redis is away
   * @throws {EmptyQueueError} when none has come by then
   * @throws {ConnectionError} when Redis is away by then
   * @throws the error of `failAll`
   */
  async next(deadline: number, isAway: () => boolean): Promise<ServedEntry> {
    return new Promise((resolve, reject) => {
      const timeoutMs = deadline - performance.now();
      const timeout = timeoutMs === Infinity ? undefined : new AnswerTimer(Math.max(timeoutMs, 1), giveUp);
      const waiter: Waiter = {
        deadline,
        take: (entry) => {
          timeout?.stopTimer();
          resolve(entry);
        },
        fail: (error) => {
          timeout?.stopTimer();
          reject(error);
        },
      };
      const waiting = this.#waiting;
      waiting.push(waiter);
      for (const wake of this.#wakeReaders) wake();
      function giveUp(): void {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(
          isAway()
            ? new ConnectionError('Redis was away when the time was up')
            : new EmptyQueueError('no event came in time'),
        );
      }
    });
  }

  /**
   * Ends calls, each with an entry.
   * @param partition the number of their partition
   * @returns the entries for which there is no call
   */
  serve(entries: readonly StreamEntry[], partition: number): StreamEntry[] {
    const served = this.#waiting.splice(0, entries.length);
    for (const [index, waiter] of served.entries()) {
      waiter.take({ entry: entries[index] as StreamEntry, partition });
    }
    return entries.slice(served.length);
  }

  failAll(error: Error): void {
    for (const waiter of this.#waiting.splice(0)) waiter.fail(error);
  }
}
