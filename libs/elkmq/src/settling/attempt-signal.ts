import { TimeoutExpiredError } from '../model/errors.js';
import { LONGEST_TIMER_MS } from '../model/options.js';

const WHY = 'the worker was away for longer than its lease, or the queue was deleted from Redis';
export const LEASE_LOST = `it was given up while it was being handled: ${WHY}`;

/** @param count of messages, more than one */
export function leasesLost(count: number): string {
  return `${String(count)} messages were given up while they were being handled: ${WHY}`;
}

/**
 * Notifies a handler that its work has become useless. The signal and its timer are made when the handler
 * asks for them.
 */
export class AttemptSignal {
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason: Error | undefined;

  /** @param timeLeft ms until nobody waits for the attempt any more; `Infinity` when no timer is to tell */
  get(timeLeft: number): AbortSignal {
    // A timer is late while a handler keeps the processor, so each call checks the time itself.
    if (timeLeft <= 0) this.#expire();
    if (this.#controller) return this.#controller.signal;
    this.#controller = new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    else if (timeLeft <= LONGEST_TIMER_MS) {
      this.#timer = setTimeout(() => {
        this.#expire();
      }, timeLeft).unref();
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.clear();
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  /** The attempt has ended, and its deadline means nothing any more. */
  clear(): void {
    clearTimeout(this.#timer);
  }

  #expire(): void {
    if (!this.#reason) this.abort(new TimeoutExpiredError('nobody waits for the response any more'));
  }
}
