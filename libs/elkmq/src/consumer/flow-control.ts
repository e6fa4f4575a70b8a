import type { Slots, SlotUser } from './slots.js';

/** A read takes as many entries as `min`, and up to `max` while reads come back full. */
const PREFETCH = { min: 8, max: 128 };
/** The handlers of one read keep the processor to themselves when they have it for longer than this, ms. */
const SLOW_MS = 20;
/**
 * The size of a careful read. A worker reads with care until it has seen its handlers, and when they have
 * kept the processor for this part of its lease.
 */
const CAREFUL_PREFETCH = 1;
const CAREFUL_LEASES = 1 / 8;

/**
 * Decides how many messages a worker may read.
 *
 * A read never brings more messages than there are free slots, see `Slots`. Reads grow past PREFETCH.min
 * only while they come back full and handlers leave the processor to others. This keeps messages from
 * waiting in one worker while another is idle.
 *
 * A handler may keep the processor for longer than the lease. Then the other messages of its read are lost to
 * other workers, although they were not started. A worker that must expect this reads one message at a time.
 */
export class FlowControl {
  readonly #slots: Slots;
  readonly #user: SlotUser;
  readonly #slowestMs: number;
  #prefetch = CAREFUL_PREFETCH;

  /** @param user the one whose reads these are */
  constructor(slots: Slots, leaseMs: number, user: SlotUser) {
    this.#slots = slots;
    this.#slowestMs = CAREFUL_LEASES * leaseMs;
    this.#user = user;
    slots.addUser(user);
  }

  get freeSlots(): number {
    return this.#slots.freeFor(this.#user);
  }

  /**
   * The number of entries that the next read may bring.
   * @param arriving entries that have come, but are not taken yet
   */
  forRead(arriving: number): number {
    return Math.min(this.freeSlots - arriving, this.#prefetch, this.#slots.share);
  }

  /** Decides on the size of reads after one that has brought `count` of the entries asked for. */
  adapt(count: number, asked: number): void {
    const { min, max } = PREFETCH;
    this.#prefetch = Math.min(this.#prefetch, Math.max(min, count));
    if (this.#slots.isShared) this.#leaveSlots(count, asked);
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

  /** Leaves the slots that this read did not need to others. A partition without messages keeps one. */
  #leaveSlots(count: number, asked: number): void {
    if (count === 0) this.#prefetch = CAREFUL_PREFETCH;
    if (count < asked && asked > 1) this.#slots.wakeReaders();
  }
}
