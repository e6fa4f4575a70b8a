/** An item that knows its position among the running ones. */
export interface Placed {
  place: number;
}

/**
 * The items that are running, in no order. It is an array. A Set that is filled and emptied all the time
 * would keep dead items from being collected, as a Map does (see `RequestLookup`).
 */
export class Running<T extends Placed> implements Iterable<T> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(item: T): void {
    item.place = this.#all.push(item) - 1;
  }

  /** Removes an item. Returns whether it was here. */
  delete(item: T): boolean {
    const { place } = item;
    if (this.#all[place] !== item) return false;
    const last = this.#all.pop() as T;
    if (last !== item) {
      last.place = place;
      this.#all[place] = last;
    }
    return true;
  }

  clear(): void {
    this.#all.length = 0;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#all[Symbol.iterator]();
  }
}
