import { TimeoutExpiredError } from '../errors.js';
import { LONGEST_TIMER } from '../options.js';

/** Tells a handler that its work has become useless. Made when it is asked for, and its timer too. */
export class AttemptSignal {
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason: Error | undefined;

  /** @param timeLeft ms until nobody waits for the attempt any more; `Infinity` for never */
  get(timeLeft: number): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    this.#controller = new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    else if (timeLeft <= LONGEST_TIMER) {
      this.#timer = setTimeout(
        () => {
          this.abort(new TimeoutExpiredError('nobody waits for the response any more'));
        },
        Math.max(timeLeft, 0),
      ).unref();
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.clear();
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  /** The attempt has ended: its deadline means nothing any more. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
