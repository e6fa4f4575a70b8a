import { readPause, type QueuePause } from '../admin/queue-pause.js';
import type { QueueContext } from '../context/queue-context.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';

/** The pause between two looks, ms. */
const LOOK_INTERVAL_MS = 1_000;

/** Is notified when the queue is paused, and with `undefined` when it goes on. */
export type PauseListener = (pause: QueuePause | undefined) => void;

/**
 * Looks every second whether the queue is paused. While Redis is away or refuses the look, the queue stays as
 * it was seen last.
 */
export class PauseWatch {
  readonly #context: QueueContext;
  readonly #listener: PauseListener;
  readonly #task: PeriodicTask;
  #isPaused = false;

  constructor(context: QueueContext, listener: PauseListener, onRefused: TaskRefused) {
    this.#context = context;
    this.#listener = listener;
    const options = {
      name: 'the look whether the queue is paused',
      intervalMs: LOOK_INTERVAL_MS,
      connection: context.connection,
      onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#look());
  }

  /** @param pause as it was read when the group was joined */
  startLooking(pause: QueuePause | undefined): void {
    this.#see(pause);
    this.#task.startTask();
  }

  stopLooking(): Promise<void> {
    return this.#task.stopTask();
  }

  async #look(): Promise<void> {
    const pause = await readPause(this.#context.connection.client, this.#context.keys);
    if (!this.#task.isStopped) this.#see(pause);
  }

  #see(pause: QueuePause | undefined): void {
    const isPaused = pause !== undefined;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#listener(pause);
  }
}
