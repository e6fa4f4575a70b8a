import type { DeadLetterQueue } from '../dead-letters/dead-letter-queue.js';
import { checkFilter, type DeadLetterFilter } from '../dead-letters/filter.js';
import { InvalidOptionError } from '../model/errors.js';
import { pairsOf } from '../model/fields.js';
import { GROUP } from '../model/keys.js';
import { formatValue } from '../model/options.js';
import type { Doubt } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import { callScript, readCommand, type AdminContext } from './admin-call.js';
import { MessageMover } from './message-mover.js';
import { parseId } from './message-reader.js';
import type { MoveResult, StayReason } from './move-result.js';
import { findOrdered } from './ordered-messages.js';
import type { MessageState } from './queue-message.js';

/** A change that somebody has made to a queue by its admin. */
export interface QueueChange {
  /** The name of the queue. */
  readonly queue: string;
  readonly action:
    'enqueue' | 'move' | 'pause' | 'purge' | 'remove' | 'resume' | 'retry' | 'runNow' | 'setLimits';
  /**
   * The messages that were chosen: their ids, a filter of dead letters, or a state. Empty for what concerns
   * the whole queue.
   */
  readonly target: readonly string[] | DeadLetterFilter | MessageState;
  /**
   * The partition whose messages were changed, when the queue has partitions. Such a change is told once for
   * each of them.
   */
  readonly partition?: number;
  /** The number of messages that were changed; 0 for `pause`, `resume` and `setLimits`. */
  readonly count: number;
  /** The name of the queue to which messages were moved; only for `move`. */
  readonly to?: string;
  /**
   * The error with which the change ended early. `count` is what was known by then; more may have changed.
   */
  readonly error?: Error;
}

/** The most that one call changes: messages, and bytes. */
const BATCH = { messages: 100, bytes: 16 * 1024 * 1024 };
/** The number of delayed messages whose origins one call reads. */
const PAGE = 1_000;

/** The ids that were not found, and whether they are counted nevertheless: the call was in doubt. */
type Missing = ReadonlyMap<string, boolean>;

/** Changes the messages of a queue. Each method returns the number of messages that were changed. */
export interface QueueChanges {
  remove(which: string | readonly string[]): Promise<number>;
  runNow(which: string | readonly string[]): Promise<number>;
  retry(which: string | readonly string[] | DeadLetterFilter): Promise<number>;
  /** Moves messages to another queue. A filter chooses dead letters. */
  move(which: string | readonly string[] | DeadLetterFilter, to: string): Promise<MoveResult>;
  purge(state: MessageState): Promise<number>;
}

/** Changes the messages of a queue, or of one partition, in batches of which each is one script. */
export class MessageChanges implements QueueChanges {
  readonly #context: AdminContext;
  readonly #letters: DeadLetterQueue;
  readonly #isCluster: boolean;
  readonly #announce: (change: QueueChange) => void;

  constructor(
    context: AdminContext,
    letters: DeadLetterQueue,
    isCluster: boolean,
    announce: (change: QueueChange) => void,
  ) {
    this.#isCluster = isCluster;
    this.#context = context;
    this.#letters = letters;
    this.#announce = announce;
  }

  async remove(which: string | readonly string[]): Promise<number> {
    const ids = idsOf(which);
    return this.#change('remove', ids, async (count) => {
      const missing = await this.#removeAll(ids, count);
      if (missing.size > 0) await this.#removeOrdered(missing, count);
    });
  }

  async runNow(which: string | readonly string[]): Promise<number> {
    const ids = idsOf(which);
    const { keys } = this.#context;
    const run = (origins: readonly string[]): ScriptCall =>
      scripts.runDelayed(keys, { group: GROUP, budget: BATCH.bytes, origins });
    return this.#change('runNow', ids, async (count) => {
      await this.#inBatches(run, ids, count);
    });
  }

  async retry(which: string | readonly string[] | DeadLetterFilter): Promise<number> {
    if (isById(which)) {
      const ids = idsOf(which);
      const { keys } = this.#context;
      const revive = (origins: readonly string[]): ScriptCall =>
        scripts.revive(keys, { budget: BATCH.bytes, origins });
      return this.#change('retry', ids, async (count) => {
        await this.#inBatches(revive, ids, count);
      });
    }
    return this.#change('retry', which, async (count) => {
      count(await this.#letters.retry(which));
    });
  }

  /** Moves messages. Those that an earlier move has left on their way go first. */
  async move(which: string | readonly string[] | DeadLetterFilter, to: string): Promise<MoveResult> {
    if (!isById(which)) checkFilter(which);
    const target = isById(which) ? idsOf(which) : which;
    const mover = await MessageMover.open(this.#context, to, this.#isCluster);
    let stayed: ReadonlyMap<string, StayReason> = new Map();
    const move = async (count: (more: number) => void): Promise<void> => {
      await mover.deliverLeftovers(count);
      stayed = await mover.moveMessages(isById(target) ? target : await this.#originsOf(target), count);
    };
    const count = await this.#change('move', target, move, { to });
    return { count, stayed: countReasons(stayed) };
  }

  async purge(state: MessageState): Promise<number> {
    if (!['waiting', 'delayed', 'dead'].includes(state))
      throw new InvalidOptionError(`state must be one of waiting, delayed, dead, got ${formatValue(state)}`);
    return this.#change('purge', state, async (count) => {
      if (state === 'waiting') await this.#purgeWaiting(count);
      else if (state === 'delayed') await this.#removeAll(await this.#delayedOrigins(), count);
      else count(await this.#letters.remove({}));
    });
  }

  /** Makes a change and announces it, also when it ends early. */
  async #change(
    action: QueueChange['action'],
    target: QueueChange['target'],
    make: (count: (more: number) => void) => Promise<void>,
    more: Pick<QueueChange, 'to'> = {},
  ): Promise<number> {
    let count = 0;
    const queue = this.#context.keys.queue;
    try {
      await make((changed) => (count += changed));
    } catch (error) {
      this.#announce({ queue, action, target, count, ...more, error: error as Error });
      throw error;
    }
    this.#announce({ queue, action, target, count, ...more });
    return count;
  }

  /** The origins of dead letters. */
  async #originsOf(filter: DeadLetterFilter): Promise<string[]> {
    const origins: string[] = [];
    for await (const { origin } of this.#letters.all(filter)) origins.push(origin);
    return origins;
  }

  #removeAll(ids: readonly string[], count: (more: number) => void): Promise<Missing> {
    const { keys } = this.#context;
    const remove = (some: readonly string[]): ScriptCall =>
      scripts.removeMessages(keys, { group: GROUP, budget: BATCH.bytes, ids: some });
    return this.#inBatches(remove, ids, count);
  }

  /** Removes those of the messages that wait behind another one of their ordering key. */
  async #removeOrdered(missing: Missing, count: (more: number) => void): Promise<void> {
    const { keys } = this.#context;
    const remove = (some: readonly { field: string; origin: string }[]): ScriptCall =>
      scripts.removeOrdered(keys, { budget: BATCH.bytes, messages: some });
    const found = await findOrdered(this.#context, [...missing.keys()]);
    // The first one of a key goes first. Its numbers then mostly keep no gap.
    found.sort((one, other) => Number.parseInt(one.field) - Number.parseInt(other.field));
    const isCounted = ({ origin }: { origin: string }): boolean => missing.get(origin) === true;
    await this.#inBatches(
      remove,
      found.filter((each) => !isCounted(each)),
      count,
    );
    await this.#inBatches(remove, found.filter(isCounted), () => undefined);
  }

  /** Calls a script until it has looked at all messages. */
  async #inBatches<T>(
    callFor: (some: readonly T[]) => ScriptCall,
    messages: readonly T[],
    count: (more: number) => void,
  ): Promise<Missing> {
    const missing = new Map<string, boolean>();
    let left = messages;
    while (left.length > 0) {
      const doubt: Doubt = { isInDoubt: false };
      const answer = await callScript(this.#context, callFor(left.slice(0, BATCH.messages)), doubt);
      const [changed, seen, requests = [], absent = []] = answer as [number, number, string[]?, string[]?];
      // Messages that are gone after a call in doubt count: that call changed them, and its answer was lost.
      count(doubt.isInDoubt ? seen : changed);
      await this.#forgetRequests(requests);
      for (const id of absent) missing.set(id, doubt.isInDoubt);
      left = left.slice(seen);
    }
    return missing;
  }

  /** Deletes what waits now. Messages that come meanwhile stay. */
  async #purgeWaiting(count: (more: number) => void): Promise<void> {
    const { keys } = this.#context;
    const newest = (await readCommand(this.#context, 'xrevrange', [
      keys.eventStream,
      '+',
      '-',
      'COUNT',
      1,
    ])) as [[string, unknown]?];
    const last = newest[0]?.[0];
    if (last === undefined) return;
    let next = '';
    do {
      const args = { group: GROUP, first: next, last, limit: BATCH.messages, budget: BATCH.bytes };
      const answer = await callScript(this.#context, scripts.purgeWaiting(keys, args));
      const [removed, place, requests] = answer as [number, string, string[]];
      count(removed);
      await this.#forgetRequests(requests);
      next = place;
    } while (next !== '');
  }

  /**
   * Deletes the records of deduplicated requests that have been removed. Otherwise callers would join them,
   * and wait in vain.
   * @param requests deduplication key and origin in turn
   */
  async #forgetRequests(requests: readonly string[]): Promise<void> {
    if (requests.length === 0) return;
    const records: string[] = [];
    const origins: string[] = [];
    for (const [key, origin] of pairsOf(requests)) {
      records.push(this.#context.keys.deduplication('request', key));
      origins.push(origin);
    }
    await callScript(this.#context, scripts.forgetRequests({ records }, { origins }));
  }

  /** The origins of all delayed messages. All are read before any is deleted, so messages that come stay. */
  async #delayedOrigins(): Promise<string[]> {
    const { delayed } = this.#context.keys;
    const origins = new Set<string>();
    for (let from = 0; ; from += PAGE) {
      const page = (await readCommand(this.#context, 'zrange', [delayed, from, from + PAGE - 1])) as string[];
      for (const origin of page) origins.add(origin);
      if (page.length < PAGE) return [...origins];
    }
  }
}

/** Whether messages are chosen by their ids. */
export function isById(
  which: string | readonly string[] | DeadLetterFilter,
): which is string | readonly string[] {
  return typeof which === 'string' || Array.isArray(which);
}

function countReasons(stayed: ReadonlyMap<string, StayReason>): MoveResult['stayed'] {
  const counts: Partial<Record<StayReason, number>> = {};
  for (const reason of stayed.values()) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

function idsOf(which: string | readonly string[]): string[] {
  return [which].flat().map((id) => parseId('id', id));
}
