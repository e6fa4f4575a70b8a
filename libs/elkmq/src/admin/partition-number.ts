import { DequeueError, InvalidOptionError } from '../model/errors.js';
import { QueueKeys } from '../model/keys.js';
import { formatValue } from '../model/options.js';
import { checkPartitions, partitionKeys, queueOfPartition } from '../model/partitions.js';
import { TopicKeys, topicPartitions } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import { isForbidden, isReplyError } from '../redis/redis-errors.js';
import { reliably } from '../redis/reliable-call.js';
import { send } from '../redis/scripts.js';

/**
 * The keys of each partition of a queue. Without partitions: those of the queue.
 * @param partitions their number; `undefined` when the queue has none
 */
export function keysOfPartitions(
  queue: string,
  isCluster: boolean,
  partitions: number | undefined,
): QueueKeys[] {
  if (partitions === undefined) return [new QueueKeys(queue, isCluster)];
  return partitionKeys(queue, partitions, isCluster);
}

/**
 * Reads the number of partitions that the clients and workers of a queue have registered. Each partition has
 * it, so partition 1 is asked when partition 0 does not answer.
 * @param timeoutMs the time that Redis may take for each of them, ms
 * @returns `undefined` when the queue has no partitions
 * @throws {InvalidOptionError} when the name is that of a partition
 */
export async function readPartitionNumber(
  connection: Connection,
  { queue, partitions }: QueueKeys,
  timeoutMs: number,
): Promise<number | undefined> {
  const second = (): string | undefined => keysOfPartitions(queue, true, 2)[1]?.partitions;
  const number = await readRegistered(connection, partitions, second, timeoutMs);
  if (number !== undefined) refusePartitionName(queue, 'queue');
  return number;
}

/** Reads the number of partitions of a topic, as `readPartitionNumber` does for a queue. */
export async function readTopicNumber(
  connection: Connection,
  topic: string,
  timeoutMs: number,
): Promise<number | undefined> {
  const second = (): string | undefined => topicPartitions(topic, 2)[1]?.partitions;
  const number = await readRegistered(connection, new TopicKeys(topic).partitions, second, timeoutMs);
  if (number !== undefined) refusePartitionName(topic, 'topic');
  return number;
}

/**
 * @param key of partition 0
 * @param second makes the key of partition 1
 */
async function readRegistered(
  connection: Connection,
  key: string,
  second: () => string | undefined,
  timeoutMs: number,
): Promise<number | undefined> {
  let number: unknown;
  try {
    number = await readNumber(connection, key, timeoutMs);
  } catch (error) {
    number = await readNumberOfSecond(connection, second, timeoutMs);
    if (number === null) throw error;
  }
  if (number === null) return undefined;
  try {
    return checkPartitions(Number(number));
  } catch (error) {
    const problem = `${key} must be a number of partitions, got ${formatValue(number)}`;
    throw new DequeueError(problem, { cause: error });
  }
}

/** @returns null when partition 1 does not tell it, or this is no Cluster */
async function readNumberOfSecond(
  connection: Connection,
  second: () => string | undefined,
  timeoutMs: number,
): Promise<unknown> {
  if (!('nodes' in connection.client)) return null;
  try {
    const key = second();
    return key === undefined ? null : await readNumber(connection, key, timeoutMs);
  } catch {
    return null;
  }
}

/** @returns null when there is none */
async function readNumber(connection: Connection, key: string, timeoutMs: number): Promise<unknown> {
  const args = [key];
  try {
    return await reliably(connection, (client) => send(client, 'get', args), timeoutMs);
  } catch (error) {
    // A user of Redis whose rights are from an earlier version has no partitions either.
    if (isForbidden(error, 'get')) return null;
    if (!isReplyError(error)) throw error;
    const problem = `Redis refuses to tell the number of partitions: ${error.message}`;
    throw new DequeueError(problem, { cause: error });
  }
}

/** Finds out whether a queue has partitions. Returns the keys of each; of a queue without any its own. */
export async function readPartitionKeys(
  connection: Connection,
  queue: string,
  isCluster: boolean,
  timeoutMs: number,
): Promise<QueueKeys[]> {
  const partitions = await readPartitionNumber(connection, new QueueKeys(queue, isCluster), timeoutMs);
  return keysOfPartitions(queue, isCluster, partitions);
}

/** Refuses the name of a partition other than 0: the messages of the others would be missed. */
function refusePartitionName(name: string, what: 'queue' | 'topic'): void {
  const found = queueOfPartition(name);
  if (!found) return;
  const { queue, partition } = found;
  throw new InvalidOptionError(
    `${formatValue(name)} is partition ${String(partition)} of the ${what} ${formatValue(queue)}: give the name of the ${what}`,
  );
}
