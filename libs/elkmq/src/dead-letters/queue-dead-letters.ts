import type { Connection } from '../redis/connection.js';
import { checkFilter, isForAll, matchesFilter, type DeadLetterFilter } from './filter.js';
import { readLetter, type DeadLetter } from './dead-letter.js';
import type { DeadLetterPage, DeadLetterQuery, DeadLetterQueue } from './dead-letter-queue.js';
import { DequeueError, EnqueueError, InvalidOptionError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import { formatValue, parsePageLimit } from '../model/options.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, type Doubt } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';

/** A letter, and the place after it. */
export interface PlacedLetter {
  readonly letter: DeadLetter;
  readonly place: string;
}

/** The most that one call of a script works on: letters, and bytes of their JSON. */
const BATCH = { letters: 500, bytes: 1024 * 1024 };

/** The dead letters of a queue without partitions, or of one partition. */
export class QueueDeadLetters implements DeadLetterQueue {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #timeoutMs: number;

  /** @param timeoutMs time for which each call tries while Redis is away, ms */
  constructor(connection: Connection, keys: QueueKeys, timeoutMs: number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#timeoutMs = timeoutMs;
  }

  async count(filter: DeadLetterFilter = {}): Promise<number> {
    checkFilter(filter);
    if (isForAll(filter)) return Number(await this.#call(scripts.countDeadLetters(this.#keys)));
    return (await this.#originsOf(filter)).length;
  }

  async list({ before, limit, ...filter }: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    checkFilter(filter);
    const most = parsePageLimit(limit);
    const { rows, next } = await this.listPlaced(filter, most, before);
    return { letters: rows.map(({ letter }) => letter), next };
  }

  /** Reads one page of letters, each with the place after it. */
  async listPlaced(
    filter: DeadLetterFilter,
    limit: number,
    before: string | undefined,
  ): Promise<{ rows: PlacedLetter[]; next: string | undefined }> {
    const rows: PlacedLetter[] = [];
    for await (const row of this.#rows(filter, before, limit + 1)) {
      if (rows.length === limit) return { rows, next: rows.at(-1)?.place };
      rows.push(row);
    }
    return { rows, next: undefined };
  }

  async *all(filter: DeadLetterFilter = {}): AsyncGenerator<DeadLetter, void, undefined> {
    checkFilter(filter);
    for await (const { letter } of this.#rows(filter)) yield letter;
  }

  async get(origin: string): Promise<DeadLetter | undefined> {
    const json = await this.#call(scripts.getDeadLetter(this.#keys, { origin: idOf(origin) }));
    return typeof json === 'string' ? readLetter(origin, json) : undefined;
  }

  async retry(which: string | DeadLetterFilter): Promise<number> {
    let left = (await this.#originsOf(which)).reverse();
    let count = 0;
    while (left.length > 0) {
      const doubt = { isInDoubt: false };
      const origins = left.slice(0, BATCH.letters);
      const answer = await this.#call(scripts.revive(this.#keys, { budget: BATCH.bytes, origins }), doubt);
      const [revived, seen] = answer as [number, number];
      // Letters that are gone after a call in doubt count: that call put them back, and its answer was lost.
      count += doubt.isInDoubt ? seen : revived;
      left = left.slice(seen);
    }
    return count;
  }

  async remove(which: string | DeadLetterFilter): Promise<number> {
    let left = await this.#originsOf(which);
    let count = 0;
    while (left.length > 0) {
      const doubt = { isInDoubt: false };
      const origins = left.slice(0, BATCH.letters);
      const answer = await this.#call(scripts.removeDeadLetters(this.#keys, { origins }), doubt);
      const [removed, seen] = answer as [number, number];
      count += doubt.isInDoubt ? seen : removed;
      left = left.slice(seen);
    }
    return count;
  }

  /**
   * The origins of the chosen letters, the one that died last first. All are read before any is changed, so a
   * message that dies again does not come up twice.
   */
  async #originsOf(which: string | DeadLetterFilter): Promise<string[]> {
    if (typeof which === 'string') return [which];
    // A missing argument does not mean all letters.
    checkFilter(which);
    const origins: string[] = [];
    for await (const { origin } of this.all(which)) origins.push(origin);
    return origins;
  }

  /**
   * The chosen letters, the one that died last first.
   * @param expected the number of letters that are wanted, if that is known
   */
  async *#rows(filter: DeadLetterFilter, before?: string, expected?: number): AsyncGenerator<PlacedLetter> {
    const step = isForAll(filter) ? (expected ?? BATCH.letters) : BATCH.letters;
    let [from, last] = before === undefined ? ['+inf', ''] : partsOf(before);
    for (;;) {
      const call = scripts.listDeadLetters(this.#keys, { from, last, limit: step, budget: BATCH.bytes });
      const [isEnd, ...parts] = (await this.#call(call)) as [number, ...string[]];
      for (let i = 0; i < parts.length; i += 3) {
        const [time, origin, json] = parts.slice(i, i + 3) as [string, string, string];
        [from, last] = [time, origin];
        const letter = readLetter(origin, json);
        if (matchesFilter(letter, filter)) yield { letter, place: `${time}:${origin}` };
      }
      if (isEnd === 1) return;
    }
  }

  async #call(call: ScriptCall, doubt?: Doubt): Promise<unknown> {
    try {
      return await callReliably(this.#connection, call, this.#timeoutMs, doubt);
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const Refused = call.script === scripts.SCRIPTS.revive ? EnqueueError : DequeueError;
      throw new Refused(`Redis refused a call for dead letters: ${error.message}`, { cause: error });
    }
  }
}

function idOf(origin: unknown): string {
  if (typeof origin === 'string') return origin;
  throw new InvalidOptionError(`origin must be the id of a message, got ${formatValue(origin)}`);
}

function partsOf(place: unknown): [time: string, origin: string] {
  const [, time, origin] = (typeof place === 'string' && /^(\d+):(\d+-\d+)$/.exec(place)) || [];
  if (time !== undefined && origin !== undefined) return [time, origin];
  throw new InvalidOptionError(`before must be \`next\` of a page, got ${formatValue(place)}`);
}
