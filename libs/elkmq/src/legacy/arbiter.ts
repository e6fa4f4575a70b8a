import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP, type QueueKeys } from '../model/keys.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { deletableAt, isListed } from './ownership.js';

/** Is notified of the entries for which legacy consumers compete. */
export interface ArbiterListener {
  /**
   * This worker has won the entry.
   * @param isLate whether it came after the first look; there may be no room for it now
   */
  won(entry: StreamEntry, consumer: string, isLate: boolean): void;
  /** Takes the entries that were not decided when the worker stopped. */
  putBack(entries: StreamEntry[]): Promise<unknown>;
  /** Is called when all fresh entries have been decided, or will be looked at again later. */
  decided(): void;
  failed(error: unknown): void;
}

/**
 * The pauses before further looks, ms. A legacy producer adds the entry first and then its id to the list, so
 * a missing id is looked for again. When an id comes later, the `Janitor` of some worker puts its entry back.
 */
const LOOK_PAUSES_MS = [5, 20, 50];
/** The largest number of entries that are looked for again. */
const MAX_DOUBTFUL = 2_000;
/** The pause after Redis has refused to decide, ms. */
const RETRY_PAUSE_MS = 1_000;
/** The time for which one call is tried, ms. */
const ARBITRATION_TIMEOUT_MS = 60_000;

/** Decides whether a worker or a legacy consumer has an entry. It uses the legacy list. */
export class Arbiter {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #listener: ArbiterListener;
  readonly #deciding = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** The number of entries that are being decided for the first time. */
  #fresh = 0;
  #doubtful = 0;

  constructor(connection: Connection, keys: QueueKeys, listener: ArbiterListener) {
    this.#connection = connection;
    this.#keys = keys;
    this.#listener = listener;
  }

  /** The number of entries that may become this worker's at any moment. */
  get size(): number {
    return this.#fresh;
  }

  /** Adds entries that are pending for `consumer`. */
  decideEntries(entries: StreamEntry[], consumer: string): void {
    const deciding = this.#decide(entries, consumer).finally(() => this.#deciding.delete(deciding));
    this.#deciding.add(deciding);
  }

  /**
   * Decides on one entry.
   * @returns whether it is this consumer's
   */
  async isWon(entry: StreamEntry, consumer: string): Promise<boolean> {
    for (let look = 0; ; look++) {
      const { won, doubtful } = await this.#look([entry], consumer, look === LOOK_PAUSES_MS.length);
      if (won.length > 0 || doubtful.length === 0) return won.length > 0;
      await this.#sleep(LOOK_PAUSES_MS[look] as number);
      if (!this.#stop.signal.aborted) continue;
      await this.#listener.putBack(doubtful);
      return false;
    }
  }

  /** Ends all further looks. */
  async stopDeciding(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#deciding);
  }

  async #decide(entries: StreamEntry[], consumer: string): Promise<void> {
    this.#fresh += entries.length;
    const isLastLook = this.#doubtful + entries.length > MAX_DOUBTFUL;
    let { won, doubtful } = await this.#look(entries, consumer, isLastLook);
    this.#fresh -= entries.length;
    for (const entry of won) this.#listener.won(entry, consumer, false);
    this.#listener.decided();
    this.#doubtful += doubtful.length;
    const { length } = doubtful;
    for (let look = 0; look < LOOK_PAUSES_MS.length && doubtful.length > 0; look++) {
      await this.#sleep(LOOK_PAUSES_MS[look] as number);
      if (this.#stop.signal.aborted) break;
      ({ won, doubtful } = await this.#look(doubtful, consumer, look === LOOK_PAUSES_MS.length - 1));
      for (const entry of won) this.#listener.won(entry, consumer, true);
    }
    this.#doubtful -= length;
    if (doubtful.length > 0) await this.#listener.putBack(doubtful);
  }

  /** @param isLast whether entries that are not found are passed over; otherwise they are doubtful */
  async #look(
    entries: StreamEntry[],
    consumer: string,
    isLast: boolean,
  ): Promise<{ won: StreamEntry[]; doubtful: StreamEntry[] }> {
    // A client of this package puts the id into the list with the entry. A missing id then means that a
    // legacy consumer has the entry.
    const asked = entries.map((entry) => ({
      id: entry[0],
      deletable: isLast || isListed(entry[1] ?? []) ? String(deletableAt(entry)) : '',
    }));
    const results = await this.#ask(consumer, asked);
    if (!results) return { won: [], doubtful: entries };
    return {
      won: entries.filter((_, index) => results[index] === 1),
      doubtful: entries.filter((_, index) => results[index] === 0 && asked[index]?.deletable === ''),
    };
  }

  /**
   * Asks Redis until there is an answer.
   * @returns `undefined` when the worker stopped before that
   */
  async #ask(
    consumer: string,
    entries: readonly { id: string; deletable: string }[],
  ): Promise<number[] | undefined> {
    const call = scripts.arbitrate(this.#keys, { group: GROUP, consumer, entries });
    while (!this.#stop.signal.aborted) {
      try {
        return (await callReliably(this.#connection, call, ARBITRATION_TIMEOUT_MS)) as number[];
      } catch (error) {
        this.#listener.failed(error);
        await this.#sleep(RETRY_PAUSE_MS);
      }
    }
    return undefined;
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
