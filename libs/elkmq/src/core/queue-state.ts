import { DequeueError } from './errors.js';
import { GROUP, type QueueKeys } from './keys.js';
import type { Connection } from './redis/connection.js';
import { isReplyError } from './redis/redis-errors.js';
import { callReliably } from './redis/reliable-call.js';

/** How a queue is at one moment. */
export interface QueueState {
  /** Messages that no worker has taken. What original consumers have taken counts too: they never delete it. */
  readonly waiting: number;
  /** Messages that workers have taken, and not ended. */
  readonly running: number;
  /** Messages that are due later. */
  readonly delayed: number;
  /** Messages that were not handled, and are kept. */
  readonly deadLetters: number;
  /** For how long the first of the waiting messages has been waiting, ms; 0 when there is none. */
  readonly oldestWaiting: number;
  /**
   * Workers (`ElkMqServer`) that take messages from it. One that was killed counts for 15 seconds more. Those who take
   * events with an `EventQueue`, original consumers, and workers of a version without a registry do not count.
   */
  readonly workers: number;
}

/**
 * @param patience how long Redis may take, ms
 * @throws {ConnectionError} when it takes longer
 * @throws {DequeueError} when it refuses
 */
export async function readQueueState(
  connection: Connection,
  keys: QueueKeys,
  patience: number,
): Promise<QueueState> {
  const touched = [keys.eventStream, keys.responseStream, keys.delayed, keys.deadLetters, keys.workers];
  try {
    const answer = await callReliably(connection, 'queueState', touched, [GROUP], patience);
    const [entries, responses, running, oldest, delayed, deadLetters, now, workers] = answer as [
      ...[number, number, number, string, number, number, number, number],
    ];
    return {
      waiting: Math.max(entries - responses - running, 0),
      running,
      delayed,
      deadLetters,
      oldestWaiting: oldest === '' ? 0 : Math.max(now - Number.parseInt(oldest), 0),
      workers,
    };
  } catch (error) {
    if (isReplyError(error))
      throw new DequeueError(`Redis refuses to tell: ${error.message}`, { cause: error });
    throw error;
  }
}
