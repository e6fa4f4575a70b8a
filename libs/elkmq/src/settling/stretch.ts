import { nextId, type Read } from '../consumer/session.js';

/** An entry that knows the read that has brought it, and its position in that read. */
export interface ReadEntry {
  /** The id of the entry. */
  readonly id: string;
  readonly read: Read;
  readonly positionInRead: number;
}

/**
 * The smallest number of entries for a trim. With fewer entries one XDEL costs no more than the check for
 * gaps.
 */
const MIN_ENTRIES = 8;

/** The arguments of `settle.lua` for entries that are no contiguous range. */
export const NO_RANGE = ['', ''] as const;

/**
 * Finds out whether entries are a contiguous range of the stream. Entries of one read follow each other
 * there, so they are a range when all between the first and the last are among them.
 */
export class ContiguousRange {
  #first: ReadEntry | undefined;
  #last: ReadEntry | undefined;
  #count = 0;

  addEntry(entry: ReadEntry): void {
    this.#count++;
    if (!this.#first || !this.#last) {
      this.#first = entry;
      this.#last = entry;
    } else if (entry.read !== this.#first.read) this.#count = Number.NaN;
    else if (entry.positionInRead < this.#first.positionInRead) this.#first = entry;
    else if (entry.positionInRead > this.#last.positionInRead) this.#last = entry;
  }

  /**
   * The id of the first entry, and the least id after the last. It is `NO_RANGE` when there are gaps or too
   * few entries.
   */
  get bounds(): readonly [first: string, end: string] {
    if (!this.#first || !this.#last || this.#count < MIN_ENTRIES) return NO_RANGE;
    const hasGaps = this.#last.positionInRead - this.#first.positionInRead + 1 !== this.#count;
    return hasGaps ? NO_RANGE : [this.#first.id, nextId(this.#last.id)];
  }
}
