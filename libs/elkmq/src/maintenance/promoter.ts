import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';

/**
 * The pause between two looks at the due time of the first delayed message, ms. Other processes delay
 * messages too.
 */
const LOOK_INTERVAL_MS = 1_000;
/**
 * The shortest pause between two calls of the script, ms. Messages that become due in the meantime go
 * together.
 */
const PROMOTE_PAUSE_MS = 5;
/** The number of messages of one call, and their bytes. */
const MESSAGES_PER_CALL = 200;
const BYTES_PER_CALL = 1024 * 1024;

/**
 * Puts delayed messages into the queue when they are due. It wakes when the first of them is due. All workers
 * of a queue have a promoter, and the one that comes first does the work.
 */
export class Promoter {
  readonly #context: QueueContext;
  readonly #task: PeriodicTask;
  /** The known time at which the next message is due: `performance.now()`. */
  #due = 0;

  constructor(context: QueueContext, onRefused: TaskRefused) {
    this.#context = context;
    const options = {
      name: 'delayed messages',
      intervalMs: LOOK_INTERVAL_MS,
      connection: context.connection,
      onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#run());
    this.#task.startTask(PROMOTE_PAUSE_MS);
  }

  /** A message is due at this time, ms since 1970 on the clock of Redis. */
  expectDue(due: number): void {
    const wait = due - this.#context.clock.now();
    // The time may not be a number, because others can write to the queue.
    if (Number.isNaN(wait)) return;
    this.#due = Math.min(this.#due, performance.now() + wait);
    this.#task.runWithin(Math.max(wait, PROMOTE_PAUSE_MS));
  }

  /** Puts nothing more into the queue. */
  stopPromoting(): Promise<void> {
    return this.#task.stopTask();
  }

  /** @returns time until the next run, ms */
  async #run(): Promise<number> {
    const isDue = this.#due <= performance.now();
    // A message that is expected while Redis is asked counts beside the answer of Redis.
    this.#due = Infinity;
    const wait = isDue ? await this.#promote() : await this.#look();
    this.#due = Math.min(this.#due, performance.now() + wait);
    return Math.max(Math.min(this.#due - performance.now(), LOOK_INTERVAL_MS), PROMOTE_PAUSE_MS);
  }

  /**
   * Puts due messages into the queue.
   * @returns time until the next message is due, ms
   */
  async #promote(): Promise<number> {
    const limits = { limit: MESSAGES_PER_CALL, maxBytes: BYTES_PER_CALL };
    const call = scripts.promote(this.#context.keys, { group: GROUP, ...limits });
    const wait = (await runScript(this.#context.connection.client, call)) as number;
    return wait < 0 ? Infinity : wait;
  }

  async #look(): Promise<number> {
    const args = [this.#context.keys.delayed, 0, 0, 'WITHSCORES'];
    const [, due] = (await send(this.#context.connection.client, 'zrange', args)) as string[];
    return due === undefined ? Infinity : timeOf(due) - this.#context.clock.now();
  }
}

/** Redis writes `inf` and `-inf`. */
function timeOf(score: string): number {
  return Number(score.replace('inf', 'Infinity'));
}
