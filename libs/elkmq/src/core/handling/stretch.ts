import { after, type Read } from './consumer-session.js';

/** What knows which read has brought it, and its place among the entries of that read. */
export interface Placed {
  /** Id of the entry. */
  readonly id: string;
  readonly read: Read;
  readonly nth: number;
}

/** With fewer entries one XDEL costs no more than looking whether they can be trimmed. */
const FEWEST = 8;

/** What `settle.lua` is told of entries that are no stretch. */
export const NO_STRETCH = ['', ''] as const;

/**
 * Finds out whether entries are a stretch of the stream without a gap. Entries of one read follow each other there, so
 * they are when all between the first and the last are among them.
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

  /** The id of the first entry, and the least id after the last; `NO_STRETCH` when there are gaps, or too few. */
  get bounds(): readonly [first: string, end: string] {
    if (!this.#first || !this.#last || this.#count < FEWEST) return NO_STRETCH;
    const hasGaps = this.#last.nth - this.#first.nth + 1 !== this.#count;
    return hasGaps ? NO_STRETCH : [this.#first.id, after(this.#last.id)];
  }
}
