import type { StreamEntry } from '../model/stream-entries.js';

/** A read is to bring about this many characters at most. Redis hands them out in some ms. */
const READ_CHARACTERS = 4 * 1024 * 1024;

/**
 * Decides how many entries a read may ask for, by the size of the entries before. The first read asks for
 * one.
 */
export class ReadSize {
  #limit = 1;

  get limit(): number {
    return this.#limit;
  }

  note(entries: readonly StreamEntry[]): void {
    if (entries.length === 0) return;
    let characters = 1;
    for (const [, fields] of entries) characters += fields?.[1]?.length ?? 0;
    this.#limit = Math.max(Math.floor((READ_CHARACTERS * entries.length) / characters), 1);
  }
}
