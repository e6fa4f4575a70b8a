import { LONGEST_TIMER_MS } from '../model/options.js';

/** The number of steps in which a timer passes. Each step counts once, however late it is. */
const STEPS = 5;
/** A step that is later than this, ms, comes after a stall of the event loop. */
const STALL_MS = 20;

/** The time in which the event loop stood still while a step was due, ms. */
let stalled = 0;
/** The `performance.now()` up to which `stalled` is known. */
let noted = 0;

/**
 * A clock that stands still while this process is too busy to notice an answer, ms. A stall is known once a
 * step of a timer comes late. Two readings can be compared only when a timer runs in between.
 */
export function attentiveNow(): number {
  return performance.now() - stalled;
}

/**
 * The timer for an answer. Time in which the event loop stands still counts as one step only. An
 * answer that lies in the socket is read before the time is over.
 */
export class AnswerTimer {
  readonly #end: number;
  readonly #step: number;
  readonly #passed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #stepDue = 0;
  #isStopped = false;

  /** @param passed is called once, unless `stopTimer` was called before */
  constructor(milliseconds: number, passed: () => void) {
    this.#end = attentiveNow() + milliseconds;
    this.#step = Math.min(Math.max(milliseconds / STEPS, 1), LONGEST_TIMER_MS);
    this.#passed = passed;
    this.#startStep();
  }

  stopTimer(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #startStep(): void {
    const pause = Math.min(this.#step, this.#end - attentiveNow());
    this.#stepDue = performance.now() + pause;
    this.#timer = setTimeout(() => {
      this.#endStep();
    }, pause);
  }

  #endStep(): void {
    const now = performance.now();
    const late = now - Math.max(this.#stepDue, noted);
    if (late > STALL_MS) stalled += late;
    noted = now;
    // A timer may fire a fraction of a millisecond early.
    if (this.#end - attentiveNow() >= 1) this.#startStep();
    // The sockets are read before this call.
    else setImmediate(() => !this.#isStopped && this.#passed());
  }
}
