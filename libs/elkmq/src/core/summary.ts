/** What happens within this time is told together, ms. */
const GATHER_MS = 1_000;
/** Between two reports at the least, ms. */
const PAUSE_MS = 10_000;

/** Tells of things that often happen many at a time: soon for the first time, then now and then, with a count. */
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

  /** Tells now what has not been told yet. */
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
