import { readQueueState, type QueueState } from '../admin/queue-state.js';
import { DequeueError } from '../model/errors.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { queueOfSubscription } from '../model/topic-names.js';
import type { Connection } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { reliably } from '../redis/reliable-call.js';
import { readHash } from './read-hash.js';
import type { Subscription } from './subscription.js';
import { readTable } from './table-changes.js';

/** A subscription, and the state of its queue. */
export interface SubscriptionState extends Subscription, QueueState {
  /** The name of its queue, for a `QueueAdmin` or an `EventQueue`. */
  readonly queue: string;
  /** The number of messages that retention has deleted. */
  readonly trimmed: number;
}

/** The state of a topic. */
export interface TopicState {
  /** By name. */
  readonly subscriptions: readonly SubscriptionState[];
  /** The number of events that no subscription had a pattern for. They were not stored. */
  readonly unrouted: number;
  /** The pattern of the last of them, and its time, ms since 1970. */
  readonly lastUnrouted: { readonly action: string; readonly at: number } | undefined;
}

/**
 * @param patience the time that Redis may take for one call, ms
 * @throws {ConnectionError} when it takes longer
 * @throws {DequeueError} when it refuses
 */
export async function readTopicState(
  connection: Connection,
  keys: TopicKeys,
  patience: number,
): Promise<TopicState> {
  try {
    const [table, trimmed, unrouted] = await reliably(
      connection,
      (client) =>
        Promise.all([readTable(client, keys), readMap(client, keys.trimmed), readMap(client, keys.unrouted)]),
      patience,
    );
    const stateOf = async (subscription: Subscription): Promise<SubscriptionState> => ({
      ...subscription,
      ...(await readQueueState(connection, keys.queueKeys(subscription.name), patience)),
      queue: queueOfSubscription(keys.topic, subscription.name),
      trimmed: Number(trimmed.get(subscription.name) ?? 0),
    });
    const action = unrouted.get('action');
    return {
      subscriptions: await Promise.all(table.subscriptions.map(stateOf)),
      unrouted: Number(unrouted.get('count') ?? 0),
      lastUnrouted: action === undefined ? undefined : { action, at: Number(unrouted.get('time')) },
    };
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses to tell: ${error.message}`, { cause: error });
  }
}

async function readMap(client: Connection['client'], key: string): Promise<Map<string, string>> {
  const fields = await readHash(client, key);
  const entries = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) entries.set(fields[i] as string, fields[i + 1] as string);
  return entries;
}
