/** The time within which things are gathered into one report, ms. */
const GATHER_MS = 1_000;
/** The shortest time between two reports, ms. */
const PAUSE_MS = 10_000;

/**
 * Reports things that often happen many at a time. The first report comes soon, later ones now and then, each
 * with a count.
 */
export class Summary<T> {
  readonly #tell: (count: number, latest: T) => void;
  #count = 0;
  #latest: T | undefined;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = -Infinity;

  constructor(tell: (count: number, latest: T) => void) {
    this.#tell = tell;
  }

  add(latest: T): void {
    this.#count++;
    this.#latest = latest;
    const pause = Math.max(GATHER_MS, this.#toldAt + PAUSE_MS - performance.now());
    this.#timer ??= setTimeout(() => {
      this.report();
    }, pause);
  }

  /** Reports now what has not been reported yet. */
  report(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#count === 0) return;
    const count = this.#count;
    this.#count = 0;
    this.#toldAt = performance.now();
    this.#tell(count, this.#latest as T);
  }
}
