import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP, type QueueKeys } from '../keys.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import { callReliably } from '../redis/reliable-call.js';
import { deletableAt, isListed } from './competition.js';

/** What becomes of entries for which original consumers compete. */
export interface Contest {
  /** It is this worker's. @param isLate it was not at first, and there may be no room for it now */
  won(entry: StreamEntry, consumer: string, isLate: boolean): void;
  /** Not decided when the worker stopped. */
  putBack(entries: StreamEntry[]): Promise<unknown>;
  /** All that were being decided have been, or are looked at again later. */
  decided(): void;
  failed(error: unknown): void;
}

/**
 * An original producer adds the entry first and then its id to the list: what is not there yet is looked for again, after
 * so many ms. What comes later is put back by the `Janitor` of some worker.
 */
const LOOKS = [5, 20, 50];
/** How many are looked for again at the most. */
const MAX_DOUBTFUL = 2_000;
/** After Redis has refused to decide, ms. */
const PAUSE = 1_000;
/** How long one call is tried, ms. */
const PATIENCE = 60_000;

/** Decides, with the original's list, which entries are a worker's and which an original consumer has. */
export class Arbiter {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #contest: Contest;
  readonly #deciding = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** Entries that are being decided for the first time. */
  #fresh = 0;
  #doubtful = 0;

  constructor(connection: Connection, keys: QueueKeys, contest: Contest) {
    this.#connection = connection;
    this.#keys = keys;
    this.#contest = contest;
  }

  /** How many entries may become this worker's at any moment. */
  get size(): number {
    return this.#fresh;
  }

  /** Entries that are pending for `consumer`. */
  add(entries: StreamEntry[], consumer: string): void {
    const deciding = this.#decide(entries, consumer).finally(() => this.#deciding.delete(deciding));
    this.#deciding.add(deciding);
  }

  /** As `add`, for one entry. @returns whether it is this consumer's */
  async isWon(entry: StreamEntry, consumer: string): Promise<boolean> {
    for (let look = 0; ; look++) {
      const { won, doubtful } = await this.#look([entry], consumer, look === LOOKS.length);
      if (won.length > 0 || doubtful.length === 0) return won.length > 0;
      await this.#sleep(LOOKS[look] as number);
      if (!this.#stop.signal.aborted) continue;
      await this.#contest.putBack(doubtful);
      return false;
    }
  }

  /** Looks for nothing again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#deciding);
  }

  async #decide(entries: StreamEntry[], consumer: string): Promise<void> {
    this.#fresh += entries.length;
    const isLastLook = this.#doubtful + entries.length > MAX_DOUBTFUL;
    let { won, doubtful } = await this.#look(entries, consumer, isLastLook);
    this.#fresh -= entries.length;
    for (const entry of won) this.#contest.won(entry, consumer, false);
    this.#contest.decided();
    this.#doubtful += doubtful.length;
    const { length } = doubtful;
    for (let look = 0; look < LOOKS.length && doubtful.length > 0; look++) {
      await this.#sleep(LOOKS[look] as number);
      if (this.#stop.signal.aborted) break;
      ({ won, doubtful } = await this.#look(doubtful, consumer, look === LOOKS.length - 1));
      for (const entry of won) this.#contest.won(entry, consumer, true);
    }
    this.#doubtful -= length;
    if (doubtful.length > 0) await this.#contest.putBack(doubtful);
  }

  /** @param isLast those that are not found are passed over, and not doubtful any more */
  async #look(
    entries: StreamEntry[],
    consumer: string,
    isLast: boolean,
  ): Promise<{ won: StreamEntry[]; doubtful: StreamEntry[] }> {
    // Of this package's entries the id was in the list from the beginning: when it is not, an original consumer has it.
    const args = entries.flatMap((entry) => [
      entry[0],
      isLast || isListed(entry[1] ?? []) ? deletableAt(entry) : '',
    ]);
    const results = await this.#ask([GROUP, consumer, ...args]);
    if (!results) return { won: [], doubtful: entries };
    return {
      won: entries.filter((_, index) => results[index] === 1),
      doubtful: entries.filter((_, index) => results[index] === 0 && args[2 * index + 1] === ''),
    };
  }

  /** @returns `undefined` when the worker stopped before there was an answer */
  async #ask(args: (string | number)[]): Promise<number[] | undefined> {
    const { eventStream, messageQueue, leftovers } = this.#keys;
    const keys = [eventStream, messageQueue, leftovers];
    while (!this.#stop.signal.aborted) {
      try {
        return (await callReliably(this.#connection, 'arbitrate', keys, args, PATIENCE)) as number[];
      } catch (error) {
        this.#contest.failed(error);
        await this.#sleep(PAUSE);
      }
    }
    return undefined;
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
