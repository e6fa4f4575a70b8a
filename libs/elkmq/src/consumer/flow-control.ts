/** A read takes as many entries as `min`, and up to `max` while reads come back full. */
const PREFETCH = { min: 8, max: 128 };
/** The handlers of one read keep the processor to themselves when they have it for longer than this. */
const SLOW_MS = 20;
/**
 * The size of a careful read. A worker reads with care until it has seen its handlers, and when they have
 * kept the processor for this part of its lease.
 */
const CAREFUL_PREFETCH = 1;
const CAREFUL_LEASES = 1 / 8;

/** The number of messages that a worker has in hand. */
export interface InHandCount {
  /** The messages whose outcome Redis has not confirmed, and those that legacy consumers may still take. */
  readonly taken: number;
  /** Those among them whose outcome has been sent to Redis. */
  readonly confirming: number;
}

/**
 * Decides how many messages a worker may read.
 *
 * A message takes one of `concurrency` slots until its outcome has been sent to Redis. The same number of
 * messages may wait for the confirmation, so a round trip takes no slot.
 *
 * A read never brings more messages than there are free slots. Reads grow past PREFETCH.min only while they
 * come back full and handlers leave the processor to others. This keeps messages from waiting in one worker
 * while another is idle.
 *
 * A handler may keep the processor for longer than the lease. Then the other messages of its read are lost to
 * other workers, although they were not started. A worker that must expect this reads one message at a time.
 */
export class FlowControl {
  readonly #concurrency: number;
  readonly #inHand: () => InHandCount;
  readonly #slowestMs: number;
  #prefetch = CAREFUL_PREFETCH;

  constructor(concurrency: number, leaseMs: number, inHand: () => InHandCount) {
    this.#concurrency = concurrency;
    this.#slowestMs = CAREFUL_LEASES * leaseMs;
    this.#inHand = inHand;
  }

  get freeSlots(): number {
    const { taken, confirming } = this.#inHand();
    return this.#concurrency + Math.min(confirming, this.#concurrency) - taken;
  }

  /**
   * The number of entries that the next read may bring.
   * @param arriving entries that have come, but are not taken yet
   */
  forRead(arriving: number): number {
    return Math.min(this.freeSlots - arriving, this.#prefetch);
  }

  /** Decides on the size of reads after one that has brought `count` of the entries asked for. */
  adapt(count: number, asked: number): void {
    const { min, max } = PREFETCH;
    this.#prefetch = Math.min(this.#prefetch, Math.max(min, count));
    if (count === 0) return;
    const since = performance.now();
    // The handlers of this read have had their turn when this runs.
    setImmediate(() => {
      const kept = performance.now() - since;
      if (kept > this.#slowestMs) this.#prefetch = CAREFUL_PREFETCH;
      else if (kept > SLOW_MS || this.#prefetch < min) this.#prefetch = min;
      else if (count === asked && count >= min) this.#prefetch = Math.min(2 * asked, max);
    });
  }
}
