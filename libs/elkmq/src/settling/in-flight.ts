/** An item that knows its position among the running ones. */
export interface Indexed {
  inFlightIndex: number;
}

/**
 * The items that are running, in no order. It is an array and no Set: see "Tables that fill and empty" in
 * docs/performance.md.
 */
export class InFlight<T extends Indexed> implements Iterable<T> {
  readonly #all: T[] = [];
  #whenEmpty: (() => void) | undefined;

  get size(): number {
    return this.#all.length;
  }

  addDelivery(item: T): void {
    item.inFlightIndex = this.#all.push(item) - 1;
  }

  /** Removes an item. Returns whether it was here. */
  removeDelivery(item: T): boolean {
    const { inFlightIndex } = item;
    if (this.#all[inFlightIndex] !== item) return false;
    const last = this.#all.pop() as T;
    if (last !== item) {
      last.inFlightIndex = inFlightIndex;
      this.#all[inFlightIndex] = last;
    }
    if (this.#all.length === 0) this.#whenEmpty?.();
    return true;
  }

  removeAll(): void {
    this.#all.length = 0;
  }

  /**
   * Waits until nothing is running.
   * @param timeoutMs the longest time to wait
   */
  drained(timeoutMs: number): Promise<void> {
    if (this.#all.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#all[Symbol.iterator]();
  }
}
