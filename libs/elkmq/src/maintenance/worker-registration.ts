import type { QueueContext } from '../context/queue-context.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import { isTransient } from '../redis/redis-errors.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { warningsOfDifferentHandlers } from './different-handlers.js';
import { readWorkers, type WorkerDescription } from '../admin/worker-info.js';

const INTERVAL_MS = 5_000;
/** A worker that has been silent for this time has gone. */
const SILENCE_MS = 3 * INTERVAL_MS;

/** Keeps a worker in the registry of its queue: describes it every five seconds, until it leaves. */
export class WorkerRegistration {
  readonly #context: QueueContext;
  readonly #name: string;
  readonly #describe: () => WorkerDescription;
  readonly #task: PeriodicTask;
  /** The cursor with which `announce.lua` goes on to look for workers that have gone. */
  #cursor = '0';

  /** @param name of the worker */
  constructor(
    context: QueueContext,
    name: string,
    describe: () => WorkerDescription,
    onRefused: TaskRefused,
  ) {
    this.#context = context;
    this.#name = name;
    this.#describe = describe;
    const options = {
      name: "the registry of the queue's workers",
      intervalMs: INTERVAL_MS,
      connection: context.connection,
      onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#announce());
    this.#task.startTask();
  }

  /**
   * Describes the worker for the first time.
   * @returns warnings of workers of the queue that have other handlers
   */
  async register(): Promise<string[]> {
    await this.announce();
    try {
      const workers = await readWorkers(this.#context.connection, this.#context.keys, COMMAND_TIMEOUT_MS);
      return warningsOfDifferentHandlers(this.#name, workers);
    } catch {
      // Redis refuses, or went away. Messages are handled all the same.
      return [];
    }
  }

  /** Describes the worker now, unless that is under way. Never fails: messages are handled without it too. */
  announce(): Promise<void> {
    return this.#task.runNow();
  }

  /**
   * Takes the worker out of the registry. When Redis cannot be reached, the other workers remove it later.
   */
  async leave(): Promise<void> {
    await this.#task.stopTask();
    if (!this.#context.connection.isConnected) return;
    await send(this.#context.connection.client, 'hdel', [this.#context.keys.workers, this.#name]).catch(
      () => undefined,
    );
  }

  async #announce(): Promise<void> {
    const call = scripts.announce(this.#context.keys, {
      worker: this.#name,
      description: JSON.stringify(this.#describe()),
      ttl: SILENCE_MS,
      cursor: this.#cursor,
    });
    try {
      this.#cursor = String(await runScript(this.#context.connection.client, call));
    } catch (error) {
      // Redis refuses for now, or went away: the next try comes at the interval, or as soon as Redis is back.
      if (!isTransient(error)) throw error;
    }
  }
}
