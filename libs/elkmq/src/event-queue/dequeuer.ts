import type { TimestampedEvent } from '../model/service-event.js';

/** Takes events out of a queue. A call that returns `undefined` has found no event, and is made again. */
export interface Dequeuer {
  /**
   * Takes the next event, if one is waiting.
   * @throws {EmptyQueueError} when none is waiting
   */
  dequeueNow(): Promise<TimestampedEvent | undefined>;
  /**
   * Takes the next event, and waits for one.
   * @param deadline `performance.now()` at which to give up; `Infinity` for never
   * @throws {EmptyQueueError} when none has come by then
   */
  dequeueBy(deadline: number): Promise<TimestampedEvent | undefined>;
  /** Fails the calls that wait. */
  giveUp(error: Error): void;
  /** Ends the calls that wait. */
  closeDequeuer(): Promise<void>;
}
