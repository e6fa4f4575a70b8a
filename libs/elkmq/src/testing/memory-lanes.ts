import { orderingKeyOf } from '../model/ordering-key.js';

/** A message of the `MemoryBroker`. */
export interface MemoryMessage {
  /** The time from which it may be handled, ms. */
  readonly due: number;
  readonly origin: string;
  readonly fields: string[];
}

/**
 * Keeps the order of ordering keys in memory: of each key one message, its head, is handled or tried again.
 */
export class MemoryLanes {
  /** Ordering key → origin of its head. */
  readonly #heads = new Map<string, string>();

  /** A message has been handed out. */
  start({ fields, origin }: MemoryMessage): void {
    const key = orderingKeyOf(fields);
    if (key !== undefined) this.#heads.set(key, origin);
  }

  /** A message has ended for good. */
  end({ fields, origin }: { readonly fields: readonly string[]; readonly origin: string }): void {
    const key = orderingKeyOf(fields);
    if (key !== undefined && this.#heads.get(key) === origin) this.#heads.delete(key);
  }

  /** The head of a key is another message now. */
  replace({ fields, origin }: MemoryMessage, before: string): void {
    const key = orderingKeyOf(fields);
    if (key !== undefined && this.#heads.get(key) === before) this.#heads.set(key, origin);
  }

  /**
   * The messages that wait behind another one of their key.
   * @param due messages that are due
   */
  behind(due: readonly MemoryMessage[]): ReadonlySet<MemoryMessage> {
    const first = new Map<string, MemoryMessage>();
    for (const message of due) {
      const key = orderingKeyOf(message.fields);
      if (key === undefined) continue;
      const known = first.get(key);
      const head = this.#heads.get(key);
      if (head === undefined ? !known || message.due < known.due : head === message.origin)
        first.set(key, message);
    }
    return new Set(
      due.filter((message) => {
        const key = orderingKeyOf(message.fields);
        return key !== undefined && first.get(key) !== message;
      }),
    );
  }
}
