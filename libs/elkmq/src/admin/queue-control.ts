import type { QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { isTransient } from '../redis/redis-errors.js';
import { send } from '../redis/scripts.js';
import { limitsOf, type QueueLimits } from './queue-limits.js';
import { pauseOf, type QueuePause } from './queue-pause.js';

/** What operators want of the workers of a queue. */
export interface QueueControl {
  /** The pause, if the queue is paused. */
  readonly pause?: QueuePause | undefined;
  /** The limits, if the queue has any. */
  readonly limits?: QueueLimits | undefined;
}

/** Reads the control of a queue: one short command. */
export async function readControl(client: Connection['client'], keys: QueueKeys): Promise<QueueControl> {
  const names = ['paused', 'by', 'concurrency', 'rate', 'per'];
  const answer = (await send(client, 'hmget', [keys.control, ...names])) as (string | null)[];
  const [paused, by, concurrency, rate, per] = answer;
  return { pause: pauseOf(paused, by), limits: limitsOf(concurrency, rate, per) };
}

/** Reads the control. When Redis refuses that for good, nothing is known; the checks of rights say so. */
export async function readControlIfAllowed(
  client: Connection['client'],
  keys: QueueKeys,
): Promise<QueueControl> {
  try {
    return await readControl(client, keys);
  } catch (error) {
    if (isTransient(error)) throw error;
    return {};
  }
}
