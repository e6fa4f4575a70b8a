import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import { nextId } from '../model/stream-id.js';
import { BLOCK_MS } from '../redis/blocking-reader.js';
import { isReplyError, isTransient } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { send } from '../redis/scripts.js';
import { requeue } from './requeue.js';
import type { ConsumerSession } from './session.js';

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
