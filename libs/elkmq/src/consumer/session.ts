import type { QueueContext } from '../context/queue-context.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import { send } from '../redis/scripts.js';

/**
 * One session: a name in the group with which one connection reads, and the last id that has arrived on it.
 */
export interface ConsumerSession {
  readonly name: string;
  arrived: string;
}

/** One read of a session. Entries of one read follow each other in the stream. */
export interface Read {
  /** The consumer in the group that has the entries. */
  readonly consumer: string;
  /** The `performance.now()` after which Redis gave out its entries. */
  readonly sentAt: number;
}

/**
 * Fails while Redis cannot be reached. After a read that broke, this comes before the next one: a read that
 * is sent in vain would begin a session that has to be ended, and an outage has thousands of them.
 */
export async function askWhetherReachable(
  { keys }: QueueContext,
  client: Connection['client'],
): Promise<void> {
  await send(client, 'exists', [keys.rights]);
}

/** Remembers the last id that has arrived in `session`. */
export function recordArrival(session: ConsumerSession, entries: StreamEntry[]): void {
  const last = entries.at(-1);
  if (last) session.arrived = last[0];
}
