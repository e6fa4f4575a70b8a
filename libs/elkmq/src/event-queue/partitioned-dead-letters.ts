import type { DeadLetterPage, DeadLetterQuery, DeadLetterQueue } from '../dead-letters/dead-letter-queue.js';
import type { DeadLetter } from '../dead-letters/dead-letter.js';
import { checkFilter, type DeadLetterFilter } from '../dead-letters/filter.js';
import { QueueDeadLetters, type PlacedLetter } from '../dead-letters/queue-dead-letters.js';
import { END, formatPlaces, parsePlaces } from '../admin/partition-places.js';
import { formatPartitionedId, parsePartitionedId } from '../admin/partitioned-id.js';
import type { QueueKeys } from '../model/keys.js';
import { parsePageLimit } from '../model/options.js';
import type { Connection } from '../redis/connection.js';

/** The number of letters that `all` reads at once. */
const PAGE_LETTERS = 500;

/**
 * The dead letters of a queue with partitions. An origin names its partition, `3:1700000000000-0`. Pages are
 * merged by time of death. The place of the next page has the place in each partition: see `parsePlaces`.
 */
export class PartitionedDeadLetters implements DeadLetterQueue {
  readonly #partitions: readonly QueueDeadLetters[];

  /** @param partitions the keys of each partition, at least one */
  constructor(connection: Connection, partitions: readonly QueueKeys[], timeoutMs: number) {
    this.#partitions = partitions.map((keys) => new QueueDeadLetters(connection, keys, timeoutMs));
  }

  async count(filter: DeadLetterFilter = {}): Promise<number> {
    return this.#sum((letters) => letters.count(filter));
  }

  async list({ before, limit, ...filter }: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    checkFilter(filter);
    const most = parsePageLimit(limit);
    const places = parsePlaces('before', before, this.#partitions.length);
    const pages = await Promise.all(
      this.#partitions.map(async (letters, index) => {
        const place = places[index];
        if (place === END) return { rows: [], next: undefined };
        return letters.listPlaced(filter, most, place === '' ? undefined : place);
      }),
    );
    const rows = pages.flatMap((page, partition) => page.rows.map((row) => ({ ...row, partition })));
    const chosen = rows.sort((one, other) => timeOf(other) - timeOf(one)).slice(0, most);
    const reached = pages.map((page, partition) => {
      const taken = chosen.filter((row) => row.partition === partition);
      if (taken.length === page.rows.length && page.next === undefined) return END;
      return taken.at(-1)?.place ?? places[partition] ?? '';
    });
    return {
      letters: chosen.map(({ letter, partition }) => withPartition(letter, partition)),
      next: formatPlaces(reached),
    };
  }

  async *all(filter: DeadLetterFilter = {}): AsyncGenerator<DeadLetter, void, undefined> {
    checkFilter(filter);
    let before: string | undefined;
    do {
      const page = await this.list({ ...filter, before, limit: PAGE_LETTERS });
      yield* page.letters;
      before = page.next;
    } while (before !== undefined);
  }

  async get(origin: string): Promise<DeadLetter | undefined> {
    const { partition, id } = this.#parse(origin);
    const letter = await (this.#partitions[partition] as QueueDeadLetters).get(id);
    return letter && withPartition(letter, partition);
  }

  async retry(which: string | DeadLetterFilter): Promise<number> {
    return this.#change(which, (letters, chosen) => letters.retry(chosen));
  }

  async remove(which: string | DeadLetterFilter): Promise<number> {
    return this.#change(which, (letters, chosen) => letters.remove(chosen));
  }

  async #change(
    which: string | DeadLetterFilter,
    change: (letters: DeadLetterQueue, which: string | DeadLetterFilter) => Promise<number>,
  ): Promise<number> {
    if (typeof which !== 'string') return this.#sum((letters) => change(letters, which));
    const { partition, id } = this.#parse(which);
    return change(this.#partitions[partition] as DeadLetterQueue, id);
  }

  /** Asks all partitions at once. A partition that fails does not stop the others. */
  async #sum(ask: (letters: DeadLetterQueue) => Promise<number>): Promise<number> {
    const results = await Promise.allSettled(this.#partitions.map(ask));
    let sum = 0;
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      sum += result.value;
    }
    return sum;
  }

  #parse(origin: string) {
    return parsePartitionedId('origin', origin, this.#partitions.length);
  }
}

/** A place begins with the time of death. */
function timeOf({ place }: PlacedLetter): number {
  return Number.parseInt(place);
}

function withPartition(letter: DeadLetter, partition: number): DeadLetter {
  return { ...letter, origin: formatPartitionedId(partition, letter.origin) };
}
