import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import type { DescribedError } from '../model/thrown.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

/** The owner that an entry must have, so that it may be taken away. */
export interface OwnerGuard {
  /** The name in the group; empty for anyone. */
  readonly consumer: string;
  /** The time for which its lease must not have been renewed, ms. */
  readonly minIdleMs: number;
}

export const ANY_OWNER: OwnerGuard = { consumer: '', minIdleMs: 0 };

/**
 * Puts entries back into the queue.
 * @param timeoutMs time for which it is tried, ms
 * @param attempts the number of abandoned attempts to add: 0 for entries that were never started
 */
export async function requeue(
  { connection, keys, legacy }: QueueContext,
  ids: readonly string[],
  timeoutMs: number,
  attempts = 0,
  { consumer, minIdleMs }: OwnerGuard = ANY_OWNER,
  error?: DescribedError,
): Promise<void> {
  for (let left = ids; left.length > 0;) {
    const call = scripts.requeue(keys, {
      group: GROUP,
      attempts,
      consumer,
      minIdle: minIdleMs,
      legacyLimit: legacy.contestedUntil,
      keptLonger: legacy.keptLongerMs,
      errorName: error?.name ?? '',
      errorMessage: error?.message ?? '',
      ids: left,
    });
    left = left.slice((await callReliably(connection, call, timeoutMs)) as number);
  }
}
