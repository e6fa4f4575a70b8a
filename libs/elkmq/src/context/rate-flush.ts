import type { QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import { isReplyError, isTransient } from '../redis/redis-errors.js';
import { runScript } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { RateCounter } from './rate-counter.js';

/** The pause between two flushes, ms. */
const FLUSH_INTERVAL_MS = 5_000;

/**
 * Adds what a process has counted to the rates of a queue, every few seconds and at the end. A process that
 * has counted nothing sends nothing. A process that is killed loses what it had not told.
 */
export class RateFlush {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #counter: RateCounter;
  readonly #task: PeriodicTask;

  constructor(connection: Connection, keys: QueueKeys, counter: RateCounter, onRefused?: TaskRefused) {
    this.#connection = connection;
    this.#keys = keys;
    this.#counter = counter;
    const options = {
      name: `the rates of queue '${keys.queue}'`,
      intervalMs: FLUSH_INTERVAL_MS,
      connection,
      ...(onRefused && { onRefused }),
    };
    this.#task = new PeriodicTask(options, () => this.#flush());
    this.#task.startTask();
  }

  /** Tells what is counted by now, and then nothing more. Never fails. */
  async stopFlushing(): Promise<void> {
    await this.#task.stopTask();
    if (this.#connection.isConnected) await this.#flush().catch(() => undefined);
  }

  async #flush(): Promise<void> {
    const counts = this.#counter.takeCounts();
    if (!counts) return;
    const call = scripts.countRates(this.#keys, {
      ...counts,
      total: Math.round(counts.total),
      longest: Math.ceil(counts.longest),
    });
    try {
      await runScript(this.#connection.client, call);
    } catch (error) {
      // After any other error Redis may have the counts. Nothing is counted twice, so they are given up.
      if (isReplyError(error)) this.#counter.putBack(counts);
      if (!isTransient(error)) throw error;
    }
  }
}
