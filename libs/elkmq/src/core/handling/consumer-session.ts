import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOCK } from '../redis/blocking-reader.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import type { Competition } from '../interop/competition.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { requeue } from './requeue.js';
import { callReliably } from '../redis/reliable-call.js';
import { isReplyError, isTransient } from '../redis/redis-errors.js';
import { send } from '../redis/scripts.js';

/** A name in the group that one connection reads with, and the last id that has arrived on it. */
export interface ConsumerSession {
  readonly name: string;
  arrived: string;
}

/** One read of a session. Entries of one read follow each other in the stream. */
export interface Read {
  /** The consumer in the group that has the entries. */
  readonly consumer: string;
  /** Redis gave out its entries later than this, `performance.now()`. */
  readonly sentAt: number;
}

/** Host and process, so that a dead letter or `XINFO CONSUMERS` says where to look, and what makes it unique. */
export function workerName(): string {
  const host = hostname()
    .replace(/[^\w-]/g, '-')
    .slice(0, 40);
  return `${host}-${String(process.pid)}-${randomBytes(6).toString('base64url')}`;
}

/** The length of its lease is part of a consumer's name: `WORKER.SESSION.LEASE`. */
export function consumerName(worker: string, session: number, lease: number): string {
  return `${worker}.${String(session)}.${String(lease)}`;
}

export function leaseOf(consumer: string, fallback: number): number {
  const lease = /\.\d+\.(\d+)$/.exec(consumer)?.[1];
  return lease === undefined ? fallback : Number(lease);
}

/** The next id there can be. (Redis 6.0 has no open ranges.) */
export function after(id: string): string {
  const [time, sequence] = id.split('-') as [string, string];
  return `${time}-${String(BigInt(sequence) + 1n)}`;
}

/** Entries in one call. */
const PAGE = 100;
/** Between two tries, ms. */
const PAUSE = 50;
/** How long a call is tried, ms. */
const PATIENCE = 10_000;

/**
 * Ends the sessions of connections that broke.
 *
 * What Redis handed to such a connection after the last id that arrived on it was never started: it goes back to the
 * queue, at once and again when a read that Redis had still blocked is over. What arrived is settled as usual; once
 * nothing is pending for the name, it leaves the group.
 */
export class BrokenSessions {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #competition: Competition;
  readonly #ending = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(connection: Connection, keys: QueueKeys, competition: Competition) {
    this.#connection = connection;
    this.#keys = keys;
    this.#competition = competition;
    // Every session that is ending listens.
    setMaxListeners(0, this.#stop.signal);
  }

  end(session: ConsumerSession): void {
    const ending = this.#end(session)
      .catch(() => undefined) // What stays when this worker has gone is found by a recoverer.
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Waits for nothing more, nor for Redis to come back. */
  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#connection.isConnected) await Promise.all(this.#ending);
  }

  /** Puts back entries that were never started. */
  async putBack(ids: string[]): Promise<void> {
    await requeue(this.#connection, this.#keys, this.#competition, ids, PATIENCE);
  }

  /** Leaves the group, unless something is still pending for the name. @returns whether it has left */
  async leave(name: string): Promise<boolean> {
    const args = [GROUP, name];
    return (await callReliably(this.#connection, 'leave', [this.#keys.eventStream], args, PATIENCE)) === 0;
  }

  async #end(session: ConsumerSession): Promise<void> {
    await this.#putBackUnseen(session);
    do {
      await sleep(BLOCK, undefined, { ref: false, signal: this.#stop.signal }).catch(() => undefined);
      await this.#putBackUnseen(session);
    } while (!(await this.#hasLeft(session)) && !this.#stop.signal.aborted);
  }

  async #hasLeft({ name }: ConsumerSession): Promise<boolean> {
    try {
      return await this.leave(name);
    } catch (error) {
      // Refused for good: trying again would not help.
      return isReplyError(error);
    }
  }

  async #putBackUnseen({ name, arrived }: ConsumerSession): Promise<void> {
    const { eventStream } = this.#keys;
    for (let last = arrived; ;) {
      try {
        const args = [eventStream, GROUP, after(last), '+', PAGE, name];
        const unseen = (await send(this.#connection.client, 'xpending', args)) as [string][];
        const newest = unseen.at(-1);
        if (!newest) return;
        await this.putBack(unseen.map(([id]) => id));
        // Not from the beginning again: what cannot be put back stays.
        [last] = newest;
      } catch (error) {
        // This connection may have broken too. Nobody else puts these entries back, so it is tried until the end.
        if (!isTransient(error) || this.#stop.signal.aborted) throw error;
        await sleep(PAUSE);
      }
    }
  }
}

/** Notes what has arrived in `session`. */
export function noteArrival(session: ConsumerSession, entries: StreamEntry[]): void {
  const last = entries.at(-1);
  if (last) session.arrived = last[0];
}
