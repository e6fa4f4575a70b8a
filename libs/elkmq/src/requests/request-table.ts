/** A request that can be found by its id. */
export interface Identified {
  readonly requestId: string;
  /** The next request in the same bucket. Only `RequestTable` uses it. */
  next: this | undefined;
}

/** The number of buckets at the beginning. It doubles whenever there are more requests than buckets. */
const INITIAL_BUCKETS = 256;
/** The number of digits of an id that choose its bucket. */
const HASHED_DIGITS = 6;

/**
 * Finds requests by their id, like a Map. A Map that is filled and emptied all the time costs a quarter of a
 * client's CPU: see "Tables that fill and empty" in docs/performance.md.
 */
export class RequestTable<T extends Identified> {
  #buckets: (T | undefined)[] = emptyBuckets(INITIAL_BUCKETS);
  #size = 0;

  get(requestId: string): T | undefined {
    let found = this.#buckets[this.#bucketOf(requestId)];
    while (found !== undefined && found.requestId !== requestId) found = found.next;
    return found;
  }

  /** @param request one with an id that is not here yet */
  addRequest(request: T): void {
    if (this.#size >= this.#buckets.length) this.#grow();
    this.#insert(request);
    this.#size++;
  }

  removeRequest(request: T): void {
    const bucket = this.#bucketOf(request.requestId);
    let before: T | undefined;
    let found = this.#buckets[bucket];
    while (found !== undefined && found !== request) {
      before = found;
      found = found.next;
    }
    if (found === undefined) return;
    if (before) before.next = found.next;
    else this.#buckets[bucket] = found.next;
    // A removed request must not refer to a younger one.
    found.next = undefined;
    this.#size--;
  }

  get size(): number {
    return this.#size;
  }

  /** All requests that are here now. */
  all(): T[] {
    const all: T[] = [];
    for (const first of this.#buckets) {
      for (let request = first; request !== undefined; request = request.next) all.push(request);
    }
    return all;
  }

  #insert(request: T): void {
    const bucket = this.#bucketOf(request.requestId);
    request.next = this.#buckets[bucket];
    this.#buckets[bucket] = request;
  }

  #grow(): void {
    const all = this.all();
    this.#buckets = emptyBuckets(2 * this.#buckets.length);
    for (const request of all) this.#insert(request);
  }

  /** The bucket of an id. Consecutive ids (see `nextRequestId`) have consecutive buckets. */
  #bucketOf(requestId: string): number {
    let number = 0;
    for (let i = Math.max(0, requestId.length - HASHED_DIGITS); i < requestId.length; i++) {
      number = number * 10 + requestId.charCodeAt(i) - 48;
    }
    return number & (this.#buckets.length - 1);
  }
}

function emptyBuckets<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
