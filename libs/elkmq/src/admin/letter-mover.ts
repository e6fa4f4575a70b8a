import { fieldsOfNewStart, type DeadLetter } from '../dead-letters/dead-letter.js';
import type { DeadLetterQueue } from '../dead-letters/dead-letter-queue.js';
import type { DeadLetterFilter } from '../dead-letters/filter.js';
import { InvalidOptionError } from '../model/errors.js';
import { QueueKeys } from '../model/keys.js';
import { formatValue, parseQueueName } from '../model/options.js';
import { queueOfPartition } from '../model/partitions.js';
import type { AdminContext } from './admin-call.js';
import type { QueueProducer } from './admin-producer.js';
import { keysOfPartitions, readPartitionNumber } from './partition-number.js';
import { contextsOf, producerOf } from './partitioned-producer.js';

/** The number of letters that are in memory at once. */
const LETTERS_PER_STEP = 20;
/** The time for which a letter that is stored in the target is not stored there again, ms. */
const MOVED_WINDOW_MS = 86_400_000;

/** Stores the messages of dead letters in another queue of this Redis. The letters stay. */
export class LetterMover {
  readonly #from: string;
  readonly #letters: DeadLetterQueue;
  readonly #producer: QueueProducer;

  private constructor(from: string, letters: DeadLetterQueue, producer: QueueProducer) {
    this.#from = from;
    this.#letters = letters;
    this.#producer = producer;
  }

  /**
   * @param to the target, which may have partitions
   * @throws {InvalidOptionError} when `to` is no name of another queue
   */
  static async open(
    context: AdminContext,
    letters: DeadLetterQueue,
    to: string,
    isCluster: boolean,
  ): Promise<LetterMover> {
    const { connection, keys: from, patience } = context;
    const keys = new QueueKeys(parseQueueName(to), isCluster);
    if (keys.queue === (queueOfPartition(from.queue)?.queue ?? from.queue))
      throw new InvalidOptionError(`toQueue must be another queue, got ${formatValue(to)}`);
    const partitions = await readPartitionNumber(connection, keys, patience);
    const contexts = contextsOf(context, keysOfPartitions(keys.queue, isCluster, partitions));
    return new LetterMover(from.queue, letters, producerOf(contexts));
  }

  /** The origins of the chosen letters, the one that died first first. */
  async findOrigins(which: readonly string[] | DeadLetterFilter): Promise<string[]> {
    if (Array.isArray(which)) return [...new Set(which as readonly string[])];
    const origins: string[] = [];
    for await (const { origin } of this.#letters.all(which as DeadLetterFilter)) origins.push(origin);
    return origins.reverse();
  }

  /** Stores letters step by step. Yields the origins of those that are stored. */
  async *storeLetters(origins: readonly string[]): AsyncGenerator<string[], void, undefined> {
    for (let from = 0; from < origins.length; from += LETTERS_PER_STEP) {
      const some = origins.slice(from, from + LETTERS_PER_STEP);
      const letters = await Promise.all(some.map((origin) => this.#letters.get(origin)));
      const stored = await Promise.all(letters.map((letter) => this.#store(letter)));
      yield stored.filter((origin) => origin !== undefined);
    }
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  /** @returns the origin of the letter; `undefined` when it is gone or cannot be read as an event */
  async #store(letter: DeadLetter | undefined): Promise<string | undefined> {
    if (!letter?.event) return undefined;
    const { origin, event } = letter;
    const once = { key: `moved:${this.#from}:${origin}`, window: MOVED_WINDOW_MS };
    await this.#producer.store(event, fieldsOfNewStart(letter), 0, once);
    return origin;
  }
}
