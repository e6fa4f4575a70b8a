/** A request that can be found by its id. */
export interface Identified {
  readonly requestId: string;
  /** The next request in the same bucket. Only `RequestLookup` uses it. */
  next: this | undefined;
}

/** The number of buckets at the beginning. It doubles whenever there are more requests than buckets. */
const PLACES = 256;
/** The number of digits of an id that choose its bucket. */
const DIGITS = 6;

/**
 * Finds requests by their id, like a Map. A Map of V8 costs too much here, because it is filled and emptied
 * tens of thousands of times a second. It replaces its table as often, and each table refers to the next one.
 * Once the first table is old, the garbage collector keeps all later ones alive and copies them at every
 * collection: a quarter of a client's CPU.
 */
export class RequestLookup<T extends Identified> {
  #places: (T | undefined)[] = emptyPlaces(PLACES);
  #size = 0;

  get(requestId: string): T | undefined {
    let found = this.#places[this.#placeOf(requestId)];
    while (found !== undefined && found.requestId !== requestId) found = found.next;
    return found;
  }

  /** @param request one with an id that is not here yet */
  add(request: T): void {
    if (this.#size >= this.#places.length) this.#grow();
    this.#put(request);
    this.#size++;
  }

  delete(request: T): void {
    const place = this.#placeOf(request.requestId);
    let before: T | undefined;
    let found = this.#places[place];
    while (found !== undefined && found !== request) {
      before = found;
      found = found.next;
    }
    if (found === undefined) return;
    if (before) before.next = found.next;
    else this.#places[place] = found.next;
    // A removed request must not refer to a younger one.
    found.next = undefined;
    this.#size--;
  }

  /** All requests that are here now. */
  all(): T[] {
    const all: T[] = [];
    for (const first of this.#places) {
      for (let request = first; request !== undefined; request = request.next) all.push(request);
    }
    return all;
  }

  #put(request: T): void {
    const place = this.#placeOf(request.requestId);
    request.next = this.#places[place];
    this.#places[place] = request;
  }

  #grow(): void {
    const all = this.all();
    this.#places = emptyPlaces(2 * this.#places.length);
    for (const request of all) this.#put(request);
  }

  /** The bucket of an id. Consecutive ids (see `nextRequestId`) have consecutive buckets. */
  #placeOf(requestId: string): number {
    let number = 0;
    for (let i = Math.max(0, requestId.length - DIGITS); i < requestId.length; i++) {
      number = number * 10 + requestId.charCodeAt(i) - 48;
    }
    return number & (this.#places.length - 1);
  }
}

function emptyPlaces<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
