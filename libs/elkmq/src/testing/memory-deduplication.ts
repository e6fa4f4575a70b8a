import type { Deduplication } from '../model/deduplication.js';

/** Remembers the first messages with a deduplication key, of a queue or a topic in memory. */
export class MemoryDeduplication<First> {
  /** Key → what is known of the first message, and the time until which the key is known. */
  readonly #known = new Map<string, { readonly first: First; readonly until: number }>();

  /** @returns what is known of the first message with the key; `undefined` when there was none */
  find(key: string, now: number): First | undefined {
    const known = this.#known.get(key);
    return known && known.until > now ? known.first : undefined;
  }

  remember({ key, window }: Deduplication, first: First, now: number): void {
    this.#known.set(key, { first, until: now + window });
  }
}
