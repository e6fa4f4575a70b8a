import { isEarly } from '../redis/redis-errors.js';

interface OpenBatch {
  readonly number: number;
  /** Resolves when the batch has been answered or given up. */
  readonly closed: Promise<void>;
  readonly close: () => void;
}

/**
 * Keeps the order of the batches of one sender in which messages have ordering keys. Several batches are on
 * their way at once. When one of them has to be sent again, the next ones may reach Redis before it. Each
 * batch therefore names the one before it, and Redis refuses it with EARLY when that one is not stored yet.
 * A batch that comes after a later one was stored is refused with STALE: it had been given up by then.
 */
export class SenderOrder {
  /** The batches that are on their way, in the order of their numbers. */
  #batches: OpenBatch[] = [];

  open(number: number): void {
    let close = (): void => undefined;
    const closed = new Promise<void>((resolve) => (close = resolve));
    this.#batches.push({ number, closed, close });
  }

  /** The batch has been answered or given up. A batch without ordering keys is not known here. */
  close(number: number): void {
    const index = this.#batches.findIndex((batch) => batch.number === number);
    if (index >= 0) this.#batches.splice(index, 1)[0]?.close();
  }

  /**
   * Stores a batch, again and again while it is too early.
   * @param store gets the number of the batch that must be stored before, 0 when there is none
   */
  async storeInOrder<T>(number: number, store: (after: number) => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.#batches.findLast((batch) => batch.number < number);
      try {
        return await store(before?.number ?? 0);
      } catch (error) {
        if (!isEarly(error) || !before) throw error;
        await before.closed;
        // The batch may have been given up meanwhile. It must not be stored after its sender has heard that.
        if (!this.#batches.some((batch) => batch.number === number)) throw error;
      }
    }
  }
}
