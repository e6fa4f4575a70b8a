import { readControl, type QueueControl } from '../admin/queue-control.js';
import { describeLimits, type QueueLimits } from '../admin/queue-limits.js';
import type { QueuePause } from '../admin/queue-pause.js';
import type { QueueContext } from '../context/queue-context.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';

/** The pause between two looks, ms. */
const LOOK_INTERVAL_MS = 1_000;

/** Is notified of what operators want of the workers. */
export interface ControlListener {
  /** The queue is paused; with `undefined` it goes on. */
  paused(pause: QueuePause | undefined): void;
  /** The queue has these limits; with `undefined` it has none any more. */
  limited(limits: QueueLimits | undefined): void;
}

/**
 * Looks every second whether the queue is paused, and which limits it has. While Redis is away or refuses the
 * look, all stays as it was seen last.
 */
export class ControlWatch {
  readonly #context: QueueContext;
  readonly #listener: ControlListener;
  readonly #task: PeriodicTask;
  #isPaused = false;
  /** The limits that were seen last, in words. */
  #limits = '';

  constructor(context: QueueContext, listener: ControlListener, onRefused: TaskRefused) {
    this.#context = context;
    this.#listener = listener;
    const options = {
      name: 'the look at the pause and the limits of the queue',
      intervalMs: LOOK_INTERVAL_MS,
      connection: context.connection,
      onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#look());
  }

  /** @param control as it was read when the group was joined */
  startLooking(control: QueueControl): void {
    this.#see(control);
    this.#task.startTask();
  }

  stopLooking(): Promise<void> {
    return this.#task.stopTask();
  }

  async #look(): Promise<void> {
    const control = await readControl(this.#context.connection.client, this.#context.keys);
    if (!this.#task.isStopped) this.#see(control);
  }

  #see({ pause, limits }: QueueControl): void {
    const isPaused = pause !== undefined;
    if (isPaused !== this.#isPaused) {
      this.#isPaused = isPaused;
      this.#listener.paused(pause);
    }
    const seen = limits ? describeLimits(limits) : '';
    if (seen === this.#limits) return;
    this.#limits = seen;
    this.#listener.limited(limits);
  }
}
