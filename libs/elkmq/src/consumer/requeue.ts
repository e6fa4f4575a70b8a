import type { Connection } from '../redis/connection.js';
import { KEPT_LONGER_MS, type LegacyOwnership } from '../legacy/ownership.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import { callReliably } from '../redis/reliable-call.js';
import { ANY_OWNER, type OwnerGuard } from '../model/owner-guard.js';

/**
 * Puts entries back into the queue.
 * @param patience time for which it is tried, ms
 * @param attempts the number to add to the attempts: 0 for entries that were never started
 */
export async function requeue(
  connection: Connection,
  keys: QueueKeys,
  { limit }: LegacyOwnership,
  ids: readonly string[],
  patience: number,
  attempts = 0,
  { consumer, minIdleMs }: OwnerGuard = ANY_OWNER,
): Promise<void> {
  const { eventStream, messageQueue, leftovers } = keys;
  const used = [eventStream, messageQueue, leftovers];
  for (let left = ids; left.length > 0;) {
    const args = [GROUP, attempts, consumer, minIdleMs, limit, KEPT_LONGER_MS, ...left];
    left = left.slice((await callReliably(connection, 'requeue', used, args, patience)) as number);
  }
}
