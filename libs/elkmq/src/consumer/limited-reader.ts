import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { isReplyError } from '../redis/redis-errors.js';
import { runScript } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ReadsOwner } from './blocking-reads.js';
import type { DirectReads } from './direct-reads.js';

/** The pause before another try, while a message has to come or to end, ms. It differs from try to try. */
const TRY_PAUSE_MS = { min: 50, max: 100 };
/** The longest pause before another try, ms: the clock of Redis may be changed. */
const LONGEST_PAUSE_MS = 1_000;
/** The pause after an error of Redis, ms. */
const RETRY_PAUSE_MS = 200;

/**
 * Takes entries by `take.lua`, which keeps the limits of the queue. A script cannot block, so this tries
 * again and again: when a message of this worker has ended, when the script says that it is time, and else
 * after a short pause.
 */
export class LimitedReader {
  readonly #context: QueueContext;
  readonly #direct: DirectReads;
  readonly #owner: ReadsOwner;
  #task: PeriodicTask | undefined;
  /** The number of times that another try was asked for. */
  #wakeCalls = 0;
  #asked = 0;
  /** The `performance.now()` before which the rate allows nothing. */
  #notBefore = 0;

  constructor(context: QueueContext, direct: DirectReads, owner: ReadsOwner) {
    this.#context = context;
    this.#direct = direct;
    this.#owner = owner;
  }

  /** The number of entries that the read on its way may bring; 0 when none is. */
  get asked(): number {
    return this.#asked;
  }

  /** Takes entries from now on. The limits may have changed since the last call. */
  startTaking(): void {
    this.#notBefore = 0;
    if (!this.#task) {
      const { connection } = this.#context;
      const options = { name: 'reads within the limits', intervalMs: RETRY_PAUSE_MS, connection };
      const task: PeriodicTask = new PeriodicTask(options, () => this.#takeAll(task));
      this.#task = task;
    }
    this.wakeTaking();
  }

  /** @returns resolves when no read is on its way any more */
  async stopTaking(): Promise<void> {
    const task = this.#task;
    this.#task = undefined;
    await task?.stopTask();
  }

  /** Tries again, because there is credit, or a message has ended. */
  wakeTaking(): void {
    if (!this.#task || performance.now() < this.#notBefore) return;
    this.#wakeCalls++;
    void this.#task.runNow();
  }

  /** @returns the time until the next try, ms */
  async #takeAll(task: PeriodicTask): Promise<number> {
    for (;;) {
      const calls = this.#wakeCalls;
      const pauseMs = await this.#takeOnce();
      const isAsked = calls !== this.#wakeCalls;
      if (task.isStopped || (pauseMs > 0 && !isAsked)) return pauseMs;
    }
  }

  async #takeOnce(): Promise<number> {
    const count = this.#owner.grantCredit(0);
    if (count <= 0) return tryPauseMs();
    const sentAt = performance.now();
    let waitMs = -1;
    this.#asked = count;
    try {
      const { consumer, entries } = await this.#direct.readEntries(async (name) => {
        const call = scripts.take(this.#context.keys, { group: GROUP, consumer: name, count });
        const [reply, wait] = (await runScript(this.#context.connection.client, call, 'bytes')) as [
          unknown,
          number,
        ];
        waitMs = wait;
        return reply;
      });
      this.#asked = 0;
      if (!this.#owner.putsBack(entries)) this.#owner.takeEntries(entries, count, { consumer, sentAt });
    } catch (error) {
      this.#asked = 0;
      if (!isReplyError(error)) throw error;
      await this.#owner.refused(error).catch(() => undefined);
      return RETRY_PAUSE_MS;
    }
    if (waitMs < 0) return tryPauseMs();
    const pauseMs = Math.min(waitMs, LONGEST_PAUSE_MS);
    this.#notBefore = performance.now() + pauseMs;
    return pauseMs;
  }
}

function tryPauseMs(): number {
  const { min, max } = TRY_PAUSE_MS;
  return min + Math.random() * (max - min);
}
