/** One read takes at least as many entries as this, and at most as many as that. */
const PREFETCH = { min: 8, max: 128 };
/** Handlers keep the processor to themselves when those of one read have it for so many ms. */
const SLOW = 20;

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
 * worker while another is idle, or for longer than its lease.
 */
export class Credit {
  readonly #concurrency: number;
  readonly #inHand: () => InHand;
  #prefetch = PREFETCH.min;

  constructor(concurrency: number, inHand: () => InHand) {
    this.#concurrency = concurrency;
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
    this.#prefetch = Math.max(min, Math.min(count, this.#prefetch));
    if (count < min) return;
    const since = performance.now();
    // When the handlers of this read have had their turn.
    setImmediate(() => {
      if (performance.now() - since > SLOW) this.#prefetch = min;
      else if (count === asked) this.#prefetch = Math.min(2 * asked, max);
    });
  }
}
