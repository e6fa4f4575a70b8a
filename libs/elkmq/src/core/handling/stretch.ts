import { after, type Read } from './consumer-session.js';

/** An entry that knows the read that has brought it, and its position in that read. */
export interface Placed {
  /** The id of the entry. */
  readonly id: string;
  readonly read: Read;
  readonly nth: number;
}

/**
 * The smallest number of entries for a trim. With fewer entries one XDEL costs no more than the check for
 * gaps.
 */
const FEWEST = 8;

/** The arguments of `settle.lua` for entries that are no contiguous range. */
export const NO_STRETCH = ['', ''] as const;

/**
 * Finds out whether entries are a contiguous range of the stream. Entries of one read follow each other
 * there, so they are a range when all between the first and the last are among them.
 */
export class Stretch {
  #first: Placed | undefined;
  #last: Placed | undefined;
  #count = 0;

  add(entry: Placed): void {
    this.#count++;
    if (!this.#first || !this.#last) {
      this.#first = entry;
      this.#last = entry;
    } else if (entry.read !== this.#first.read) this.#count = Number.NaN;
    else if (entry.nth < this.#first.nth) this.#first = entry;
    else if (entry.nth > this.#last.nth) this.#last = entry;
  }

  /**
   * The id of the first entry, and the least id after the last. It is `NO_STRETCH` when there are gaps or too
   * few entries.
   */
  get bounds(): readonly [first: string, end: string] {
    if (!this.#first || !this.#last || this.#count < FEWEST) return NO_STRETCH;
    const hasGaps = this.#last.nth - this.#first.nth + 1 !== this.#count;
    return hasGaps ? NO_STRETCH : [this.#first.id, after(this.#last.id)];
  }
}
