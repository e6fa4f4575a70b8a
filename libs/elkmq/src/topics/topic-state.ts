import { askAll, stateOfPartitions } from '../admin/partitioned-state.js';
import { readQueueState, type AwayPartition, type QueueState } from '../admin/queue-state.js';
import { DequeueError } from '../model/errors.js';
import { pairsOf } from '../model/fields.js';
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
  /** The number of partitions, if the topic has any. */
  readonly partitions?: number;
  /** The partitions that do not answer, if there are any. The counts are those of the others. */
  readonly away?: readonly AwayPartition[];
}

/**
 * Reads the state of a topic over all its partitions.
 * @param partitions the keys of each partition; without partitions those of the topic
 * @param timeoutMs the time that Redis may take for one call, ms
 * @throws {ConnectionError} when no partition answers in time
 * @throws {DequeueError} when Redis refuses
 */
export async function readTopicState(
  connection: Connection,
  partitions: readonly TopicKeys[],
  timeoutMs: number,
): Promise<TopicState> {
  const [first, ...others] = partitions as [TopicKeys, ...TopicKeys[]];
  if (others.length === 0) return readState(connection, first, timeoutMs);
  const names = partitions.map(({ topic }) => topic);
  const { answers, away } = await askAll(partitions, names, (keys) => readState(connection, keys, timeoutMs));
  const common = { partitions: partitions.length, ...(away.length > 0 && { away }) };
  return { ...joined(answers, first, common), ...common };
}

/** The state of a topic whose partitions have these states. Partition 0 comes first, if it answers. */
function joined(
  states: readonly TopicState[],
  { topic }: TopicKeys,
  common: Pick<TopicState, 'partitions' | 'away'>,
): TopicState {
  const byName = new Map<string, SubscriptionState[]>();
  for (const state of states.flatMap(({ subscriptions }) => subscriptions)) {
    byName.set(state.name, [...(byName.get(state.name) ?? []), state]);
  }
  const subscriptions = [...byName].map(([name, parts]): SubscriptionState => {
    // A change that was cut may have reached some partitions only. Partition 0 has it first.
    const { patterns, retention, since } = parts[0] as SubscriptionState;
    return {
      ...stateOfPartitions(parts),
      ...common,
      ...{ name, patterns, retention, since, queue: queueOfSubscription(topic, name) },
      trimmed: parts.reduce((sum, { trimmed }) => sum + trimmed, 0),
    };
  });
  const latest = states
    .flatMap(({ lastUnrouted }) => lastUnrouted ?? [])
    .sort((one, other) => other.at - one.at);
  return {
    subscriptions: subscriptions.sort((one, other) => (one.name < other.name ? -1 : 1)),
    unrouted: states.reduce((sum, { unrouted }) => sum + unrouted, 0),
    lastUnrouted: latest[0],
  };
}

async function readState(connection: Connection, keys: TopicKeys, timeoutMs: number): Promise<TopicState> {
  try {
    const [table, trimmed, unrouted] = await reliably(
      connection,
      (client) =>
        Promise.all([readTable(client, keys), readMap(client, keys.trimmed), readMap(client, keys.unrouted)]),
      timeoutMs,
    );
    const stateOf = async (subscription: Subscription): Promise<SubscriptionState> => ({
      ...subscription,
      ...(await readQueueState(connection, keys.queueKeys(subscription.name), timeoutMs)),
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
  return new Map(pairsOf(await readHash(client, key)));
}
