/** The counts of a process since it told Redis last. */
export interface RateCounts {
  /** Messages that were stored. */
  stored: number;
  /** Messages that were handled. */
  handled: number;
  /** Attempts after which the message is tried again. */
  retried: number;
  /** Messages that became dead letters. */
  dead: number;
  /** Messages that nobody needs any more, because their time was over. */
  expired: number;
  /** The time from when it was stored, or due, until it was handled, of all handled messages together, ms. */
  total: number;
  /** The longest of these times, ms. */
  longest: number;
}

/**
 * Counts in memory what this process does with the messages of a queue. It costs a few additions a message.
 * `RateFlush` tells Redis.
 */
export class RateCounter {
  readonly #counts: RateCounts = noCounts();

  countStored(messages: number): void {
    this.#counts.stored += messages;
  }

  /**
   * @param due the time at which the message was stored, or due, ms since 1970
   * @param clock that of Redis
   */
  countHandled(due: number, clock: { now(): number }): void {
    const counts = this.#counts;
    counts.handled++;
    const waitedMs = clock.now() - due;
    // The clocks of two processes differ by a little.
    if (!(waitedMs > 0)) return;
    counts.total += waitedMs;
    if (waitedMs > counts.longest) counts.longest = waitedMs;
  }

  countRetried(): void {
    this.#counts.retried++;
  }

  countDead(): void {
    this.#counts.dead++;
  }

  countExpired(): void {
    this.#counts.expired++;
  }

  /** Takes what was counted, so that the count begins anew; `undefined` when there was nothing. */
  takeCounts(): RateCounts | undefined {
    const { stored, handled, retried, dead, expired } = this.#counts;
    if (stored + handled + retried + dead + expired === 0) return undefined;
    const taken = { ...this.#counts };
    Object.assign(this.#counts, noCounts());
    return taken;
  }

  /** Adds counts that could not be told. */
  putBack(taken: RateCounts): void {
    const counts = this.#counts;
    counts.stored += taken.stored;
    counts.handled += taken.handled;
    counts.retried += taken.retried;
    counts.dead += taken.dead;
    counts.expired += taken.expired;
    counts.total += taken.total;
    counts.longest = Math.max(counts.longest, taken.longest);
  }
}

function noCounts(): RateCounts {
  return { stored: 0, handled: 0, retried: 0, dead: 0, expired: 0, total: 0, longest: 0 };
}
