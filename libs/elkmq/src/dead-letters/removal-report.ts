/**
 * Is called with the numbers of removed dead letters: those beyond the largest number, and those that were
 * too old; and with the number of ordering keys that these letters have held.
 */
export type RemovedLetters = (tooMany: number, tooOld: number, freedKeys: number) => void;

/** The time between two reports, ms. */
const REPORT_INTERVAL_MS = 60_000;

/**
 * Reports removed dead letters: at once for the first time, then once in `REPORT_INTERVAL_MS`. When many
 * messages die, each letter removes another one.
 */
export class RemovalReport {
  readonly #tell: RemovedLetters;
  #tooMany = 0;
  #tooOld = 0;
  #freedKeys = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(tell: RemovedLetters) {
    this.#tell = tell;
  }

  countRemoved(tooMany: number, tooOld: number, freedKeys: number): void {
    this.#tooMany += tooMany;
    this.#tooOld += tooOld;
    this.#freedKeys += freedKeys;
    if (!this.#pause) this.#report();
  }

  /** Reports what has not been reported. */
  stopReporting(): void {
    this.#report();
    clearTimeout(this.#pause);
  }

  #report(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    if (this.#tooMany + this.#tooOld === 0) return;
    this.#tell(this.#tooMany, this.#tooOld, this.#freedKeys);
    this.#tooMany = 0;
    this.#tooOld = 0;
    this.#freedKeys = 0;
    this.#pause = setTimeout(() => {
      this.#report();
    }, REPORT_INTERVAL_MS).unref();
  }
}
