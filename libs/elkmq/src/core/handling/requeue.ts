import type { Connection } from '../redis/connection.js';
import { KEPT_LONGER, type Competition } from '../interop/competition.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { callReliably } from '../redis/reliable-call.js';
import { ANYONE, type Holder } from './holder.js';

/**
 * Puts entries back into the queue.
 * @param patience time for which it is tried, ms
 * @param attempts the number to add to the attempts: 0 for entries that were never started
 */
export async function requeue(
  connection: Connection,
  keys: QueueKeys,
  { limit }: Competition,
  ids: readonly string[],
  patience: number,
  attempts = 0,
  { consumer, unrenewedFor }: Holder = ANYONE,
): Promise<void> {
  const { eventStream, messageQueue, leftovers } = keys;
  const used = [eventStream, messageQueue, leftovers];
  for (let left = ids; left.length > 0;) {
    const args = [GROUP, attempts, consumer, unrenewedFor, limit, KEPT_LONGER, ...left];
    left = left.slice((await callReliably(connection, 'requeue', used, args, patience)) as number);
  }
}
