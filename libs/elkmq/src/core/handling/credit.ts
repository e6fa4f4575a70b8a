/** A read takes as many entries as `min`, and up to `max` while reads come back full. */
const PREFETCH = { min: 8, max: 128 };
/** Handlers keep the processor to themselves when those of one read have it for longer. */
const SLOW_MS = 20;
/** A worker that has not seen its handlers, or has seen them keep the processor for a part of its lease, reads so many. */
const CAREFUL_PREFETCH = 1;
const CAREFUL_LEASES = 1 / 8;

/** How many messages a worker has in hand. */
export interface InHand {
  /** Those whose end Redis has not confirmed, and those that original consumers may still take. */
  readonly taken: number;
  /** Of these, those whose end Redis has been sent. */
  readonly confirming: number;
}

/**
 * How much a worker may read.
 *
 * A message takes one of `concurrency` slots until Redis has been sent its end; as many again may wait for Redis to
 * confirm that, so that a round trip keeps no slot. What is read is never more than there are free slots, and only grows
 * past PREFETCH.min while reads come back full and handlers leave the processor to others, so that nothing waits in one
 * worker while another is idle. What is read beside a message whose handler keeps the processor for longer than the lease
 * is lost to others, though it was not started: a worker that must expect that reads one message at a time.
 */
export class Credit {
  readonly #concurrency: number;
  readonly #inHand: () => InHand;
  readonly #slowestMs: number;
  #prefetch = CAREFUL_PREFETCH;

  constructor(concurrency: number, leaseMs: number, inHand: () => InHand) {
    this.#concurrency = concurrency;
    this.#slowestMs = CAREFUL_LEASES * leaseMs;
    this.#inHand = inHand;
  }

  get freeSlots(): number {
    const { taken, confirming } = this.#inHand();
    return this.#concurrency + Math.min(confirming, this.#concurrency) - taken;
  }

  /** How many entries the next read may bring. @param arriving entries that have come, but are not taken yet */
  forRead(arriving: number): number {
    return Math.min(this.freeSlots - arriving, this.#prefetch);
  }

  /** Decides on the size of reads, when one has brought `count` entries of those asked for. */
  adapt(count: number, asked: number): void {
    const { min, max } = PREFETCH;
    this.#prefetch = Math.min(this.#prefetch, Math.max(min, count));
    if (count === 0) return;
    const since = performance.now();
    // When the handlers of this read have had their turn.
    setImmediate(() => {
      const kept = performance.now() - since;
      if (kept > this.#slowestMs) this.#prefetch = CAREFUL_PREFETCH;
      else if (kept > SLOW_MS || this.#prefetch < min) this.#prefetch = min;
      else if (count === asked && count >= min) this.#prefetch = Math.min(2 * asked, max);
    });
  }
}
