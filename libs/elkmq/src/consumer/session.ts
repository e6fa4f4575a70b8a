import type { QueueContext } from '../context/queue-context.js';
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOCK_MS } from '../redis/blocking-reader.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { GROUP } from '../model/keys.js';
import type { DescribedError } from '../model/thrown.js';
import type { Connection } from '../redis/connection.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { isReplyError, isTransient } from '../redis/redis-errors.js';
import { send } from '../redis/scripts.js';

/**
 * One session: a name in the group with which one connection reads, and the last id that has arrived on it.
 */
export interface ConsumerSession {
  readonly name: string;
  arrived: string;
}

/** One read of a session. Entries of one read follow each other in the stream. */
export interface Read {
  /** The consumer in the group that has the entries. */
  readonly consumer: string;
  /** The `performance.now()` after which Redis gave out its entries. */
  readonly sentAt: number;
}

/**
 * Makes the name of a worker. Host and process tell the reader of a dead letter or of `XINFO CONSUMERS` where
 * to look. The rest makes the name unique.
 */
export function workerName(): string {
  const host = hostname()
    .replace(/[^\w-]/g, '-')
    .slice(0, 40);
  return `${host}-${String(process.pid)}-${randomBytes(6).toString('base64url')}`;
}

/** Makes the name of a consumer: `WORKER.SESSION.LEASE`. The length of its lease is a part of it. */
export function consumerName(worker: string, session: number, leaseMs: number): string {
  return `${worker}.${String(session)}.${String(leaseMs)}`;
}

export function leaseOf(consumer: string, fallback: number): number {
  const lease = /\.\d+\.(\d+)$/.exec(consumer)?.[1];
  return lease === undefined ? fallback : Number(lease);
}

/** The next possible id. (Redis 6.0 has no open ranges.) */
export function nextId(id: string): string {
  const [time, sequence] = id.split('-') as [string, string];
  return `${time}-${String(BigInt(sequence) + 1n)}`;
}

/** The number of entries in one call. */
const ENTRIES_PER_PAGE = 100;
/** The pause between two tries, ms. */
const RETRY_PAUSE_MS = 50;
/** The time for which a call is tried, ms. */
const REQUEUE_TIMEOUT_MS = 10_000;

/**
 * Ends the sessions of connections that broke.
 *
 * Redis may have handed entries to such a connection after the last id that arrived on it. These were never
 * started. They go back to the queue at once, and again when a read that was still blocked in Redis is over.
 * Entries that arrived are settled as usual. The name leaves the group when nothing is pending for it.
 */
export class BrokenSessions {
  readonly #context: QueueContext;
  readonly #ending = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(context: QueueContext) {
    this.#context = context;
    // Every session that is ending listens.
    setMaxListeners(0, this.#stop.signal);
  }

  endSession(session: ConsumerSession): void {
    const ending = this.#end(session)
      .catch(() => undefined) // A recoverer finds the rest when this worker has gone.
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Ends the waiting, and does not wait for Redis to come back. */
  async stopEnding(): Promise<void> {
    this.#stop.abort();
    if (this.#context.connection.isConnected) await Promise.all(this.#ending);
  }

  /** Puts back entries that were never started. */
  async putBack(ids: string[]): Promise<void> {
    await requeue(this.#context, ids, REQUEUE_TIMEOUT_MS);
  }

  /**
   * Leaves the group, unless something is still pending for the name.
   * @returns whether it has left
   */
  async leaveGroup(name: string): Promise<boolean> {
    const call = scripts.leaveGroup(this.#context.keys, { group: GROUP, consumer: name });
    return (await callReliably(this.#context.connection, call, REQUEUE_TIMEOUT_MS)) === 0;
  }

  async #end(session: ConsumerSession): Promise<void> {
    await this.#putBackUnseen(session);
    do {
      await sleep(BLOCK_MS, undefined, { ref: false, signal: this.#stop.signal }).catch(() => undefined);
      await this.#putBackUnseen(session);
    } while (!(await this.#hasLeft(session)) && !this.#stop.signal.aborted);
  }

  async #hasLeft({ name }: ConsumerSession): Promise<boolean> {
    try {
      return await this.leaveGroup(name);
    } catch (error) {
      // Redis refuses for good, so another try would not help.
      return isReplyError(error);
    }
  }

  async #putBackUnseen({ name, arrived }: ConsumerSession): Promise<void> {
    const { eventStream } = this.#context.keys;
    for (let last = arrived; ;) {
      try {
        const args = [eventStream, GROUP, nextId(last), '+', ENTRIES_PER_PAGE, name];
        const unseen = (await send(this.#context.connection.client, 'xpending', args)) as [string][];
        const newest = unseen.at(-1);
        if (!newest) return;
        await this.putBack(unseen.map(([id]) => id));
        // The next page does not start from the beginning: an entry that cannot be put back stays.
        [last] = newest;
      } catch (error) {
        // This connection may have broken too. Nobody else puts these entries back, so it is tried until the
        // end.
        if (!isTransient(error) || this.#stop.signal.aborted) throw error;
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }
}

/** The owner that an entry must have, so that it may be taken away. */
export interface OwnerGuard {
  /** The name in the group; empty for anyone. */
  readonly consumer: string;
  /** The time for which its lease must not have been renewed, ms. */
  readonly minIdleMs: number;
}

export const ANY_OWNER: OwnerGuard = { consumer: '', minIdleMs: 0 };

/**
 * Puts entries back into the queue.
 * @param timeoutMs time for which it is tried, ms
 * @param attempts the number of abandoned attempts to add: 0 for entries that were never started
 */
export async function requeue(
  { connection, keys, legacy }: QueueContext,
  ids: readonly string[],
  timeoutMs: number,
  attempts = 0,
  { consumer, minIdleMs }: OwnerGuard = ANY_OWNER,
  error?: DescribedError,
): Promise<void> {
  for (let left = ids; left.length > 0;) {
    const call = scripts.requeue(keys, {
      group: GROUP,
      attempts,
      consumer,
      minIdle: minIdleMs,
      legacyLimit: legacy.contestedUntil,
      keptLonger: legacy.keptLongerMs,
      errorName: error?.name ?? '',
      errorMessage: error?.message ?? '',
      ids: left,
    });
    left = left.slice((await callReliably(connection, call, timeoutMs)) as number);
  }
}

/**
 * Fails while Redis cannot be reached. After a read that broke, this comes before the next one: a read that
 * is sent in vain would begin a session that has to be ended, and an outage has thousands of them.
 */
export async function askWhetherReachable(
  { keys }: QueueContext,
  client: Connection['client'],
): Promise<void> {
  await send(client, 'exists', [keys.rights]);
}

/** Remembers the last id that has arrived in `session`. */
export function recordArrival(session: ConsumerSession, entries: StreamEntry[]): void {
  const last = entries.at(-1);
  if (last) session.arrived = last[0];
}
