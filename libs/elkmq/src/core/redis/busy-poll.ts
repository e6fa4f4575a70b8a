import { availableParallelism } from 'node:os';

/** A processor is given for waits that are mostly over within so many ms. */
const CEILING = 0.6;
/** A wait is a usual one when it is over within so many times the median. */
const USUAL = 1.5;
/** Waits are polled while more than this share of the last ones, about 32, were usual. At random arrivals 65 % are. */
const MOST = 0.8;
const WEIGHT = 1 / 32;
/** By how much of it the median moves towards each wait, and within what it stays, ms. */
const STEP = 1 / 16;
const [SHORTEST, LONGEST] = [0.05, 2 * CEILING];
/** With one processor a poll would keep Redis from it. */
const HAS_ROOM = availableParallelism() > 1;

/**
 * Adaptive busy polling, in the manner of KVM's halt polling. A process that sleeps until its packet comes is woken
 * late, by 30 µs or, on a slow machine, by several times that; one whose event loop goes round meanwhile takes it at once.
 * That costs a processor, so it is done only in a steady sequence of quick answers, as when one request follows the
 * other, and for as long as such an answer usually takes.
 */
export class BusyPoll {
  /** Of the waits, ms; an estimate. */
  #median = LONGEST;
  /** The share of usual waits. */
  #usual = 0;

  /** Waits for `answer`. Everything else that the process has to do goes on as usual. */
  async for<T>(answer: Promise<T>): Promise<T> {
    const since = performance.now();
    const limit = USUAL * this.#median;
    let isOver = false;
    const goRound = (): void => {
      if (!isOver && performance.now() - since < limit) setImmediate(goRound);
    };
    if (HAS_ROOM && this.#median < CEILING && this.#usual > MOST) setImmediate(goRound);
    try {
      return await answer;
    } finally {
      isOver = true;
      const waited = performance.now() - since;
      this.#usual += WEIGHT * (Number(waited < limit) - this.#usual);
      const median = this.#median * (waited < this.#median ? 1 - STEP : 1 + STEP);
      this.#median = Math.min(Math.max(median, SHORTEST), LONGEST);
    }
  }
}
