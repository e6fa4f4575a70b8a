import { availableParallelism } from 'node:os';

/** A wait that is over within so many ms is a short one. */
const SHORT = 0.3;
/** A poll goes on for so many ms at the most. */
const LONGEST_POLL = 0.15;
/** Waits are polled while more than this share of the last ones, about 32, were short. */
const MOST = 0.8;
const WEIGHT = 1 / 32;
/** With one processor a poll would keep Redis from it. */
const HAS_ROOM = availableParallelism() > 1;

/**
 * Adaptive busy polling, in the manner of KVM's halt polling. A process that sleeps until its packet comes is woken
 * 30 to 40 µs late; one whose event loop goes round meanwhile takes it at once. That costs a processor, so it is done
 * only in a steady sequence of quick answers, as when one request follows the other.
 */
export class BusyPoll {
  #short = 0;

  /** Waits for `answer`. Everything else that the process has to do goes on as usual. */
  async for<T>(answer: Promise<T>): Promise<T> {
    const since = performance.now();
    let isOver = false;
    const goRound = (): void => {
      if (!isOver && performance.now() - since < LONGEST_POLL) setImmediate(goRound);
    };
    if (HAS_ROOM && this.#short > MOST) setImmediate(goRound);
    try {
      return await answer;
    } finally {
      isOver = true;
      const isShort = performance.now() - since < SHORT;
      this.#short += WEIGHT * (Number(isShort) - this.#short);
    }
  }
}
