import { readTopicNumber } from '../admin/partition-number.js';
import { topicPartitions, type TopicKeys } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import { PartitionNumber } from '../redis/partition-check.js';
import { followTable } from './partitioned-table.js';
import { callsOf } from './table-changes.js';

/**
 * The number of partitions of a topic, which is registered in each of them. A topic may have subscriptions
 * from the time before it had partitions, in partition 0. The others get them before the number is
 * registered, so nothing that is published there afterwards is unrouted.
 * @param partitions the keys of each partition
 */
export function topicNumber(partitions: readonly TopicKeys[]): PartitionNumber {
  const [leader, ...others] = partitions as [TopicKeys, ...TopicKeys[]];
  return new PartitionNumber(partitions, async (client) => {
    const calls = callsOf(client);
    const { subscriptions } = await calls.read(leader);
    if (subscriptions.length > 0) {
      await Promise.all(others.map((keys) => followTable(leader, keys, calls)));
    }
    return subscriptions.map(({ name }) => leader.queueKeys(name).lanes);
  });
}

/** Finds out whether a topic has partitions. Returns the keys of each; of a topic without any its own. */
export async function readTopicPartitions(
  connection: Connection,
  topic: string,
  timeoutMs: number,
): Promise<TopicKeys[]> {
  return topicPartitions(topic, await readTopicNumber(connection, topic, timeoutMs));
}
