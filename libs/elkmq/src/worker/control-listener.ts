import { describeLimits, type QueueLimits } from '../admin/queue-limits.js';
import type { QueuePause } from '../admin/queue-pause.js';
import type { GroupConsumer } from '../consumer/group-consumer.js';
import type { ControlListener } from '../maintenance/control-watch.js';
import type { Maintenance } from '../maintenance/maintenance.js';

/** Is notified of what operators want of a worker. */
export interface WorkerControlListener {
  /** The queue is paused, so nothing is taken; with `undefined` it goes on. */
  paused?(pause: QueuePause | undefined): void;
  /** The queue has these limits over all its workers; with `undefined` it has none any more. */
  limited?(limits: QueueLimits | undefined): void;
  /** The worker does not do what operators want. */
  warned(message: string): void;
}

/** Makes a worker do what operators want. */
export function controlListener(
  consumer: GroupConsumer,
  maintenance: Maintenance,
  legacyConsumers: boolean,
  listener: WorkerControlListener,
): ControlListener {
  return {
    paused: (pause) => {
      if (pause) consumer.pauseReading('operator');
      else consumer.resumeReading('operator');
      listener.paused?.(pause);
      maintenance.announce();
    },
    limited: (limits) => {
      // Legacy consumers take what they like, and leave entries pending that they have taken.
      if (!legacyConsumers) {
        consumer.limitReading(limits !== undefined);
        listener.limited?.(limits);
      } else if (limits) {
        const what = 'the queue has limits, which a worker with legacyConsumers does not keep';
        listener.warned(`${what} (${describeLimits(limits)})`);
      }
    },
  };
}
