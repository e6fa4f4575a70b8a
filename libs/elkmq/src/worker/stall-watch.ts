/**
 * A process that did not run its event loop for this part of a lease has stalled. The timer fires
 * twice in that time.
 */
const STALL_LEASES = 1 / 3;

/**
 * Notices that this process did not run its event loop for so long that leases may run out. Handlers kept the
 * processor, or the process was stopped.
 */
export class StallWatch {
  readonly #stallMs: number;
  readonly #timer: NodeJS.Timeout;
  /** The `performance.now()` of the last tick, and of the end of the last stall. */
  #ticked = performance.now();
  #stallEnded = -Infinity;

  constructor(leaseMs: number) {
    this.#stallMs = STALL_LEASES * leaseMs;
    this.#timer = setInterval(() => {
      this.#look();
      this.#ticked = performance.now();
    }, this.#stallMs / 2).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Whether a stall has ended since then.
   * @param time `performance.now()`
   */
  hasStalledSince(time: number): boolean {
    this.#look();
    return time < this.#stallEnded;
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#ticked > this.#stallMs) this.#stallEnded = now;
  }
}
