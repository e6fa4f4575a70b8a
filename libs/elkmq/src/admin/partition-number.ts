import { DequeueError, InvalidOptionError } from '../model/errors.js';
import { QueueKeys } from '../model/keys.js';
import { formatValue } from '../model/options.js';
import { checkPartitions, partitionNames, queueOfPartition } from '../model/partitions.js';
import type { Connection } from '../redis/connection.js';
import { isForbidden, isReplyError } from '../redis/redis-errors.js';
import { reliably } from '../redis/reliable-call.js';
import { send } from '../redis/scripts.js';

/**
 * The keys of each partition of a queue. A queue without partitions is its own only one.
 * @param partitions their number; `undefined` when the queue has none
 */
export function keysOfPartitions(
  queue: string,
  isCluster: boolean,
  partitions: number | undefined,
): QueueKeys[] {
  const names = partitions === undefined ? [queue] : partitionNames(queue, partitions);
  return names.map((name) => new QueueKeys(name, isCluster));
}

/**
 * Reads the number of partitions that the clients and workers of a queue have registered.
 * @param patience the time that Redis may take, ms
 * @returns `undefined` when the queue has no partitions
 * @throws {InvalidOptionError} when the name is that of a partition
 */
export async function readPartitionNumber(
  connection: Connection,
  keys: QueueKeys,
  patience: number,
): Promise<number | undefined> {
  const args = [keys.partitions];
  let number: unknown;
  try {
    number = await reliably(connection, (client) => send(client, 'get', args), patience);
  } catch (error) {
    // A user of Redis whose rights are from an earlier version has no partitions either.
    if (isForbidden(error, 'get')) return undefined;
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses to tell the number of partitions: ${error.message}`, {
      cause: error,
    });
  }
  if (number === null) return undefined;
  refusePartitionName(keys.queue);
  return checkPartitions(Number(number));
}

/** Finds out whether a queue has partitions. Returns the keys of each; of a queue without any its own. */
export async function readPartitionKeys(
  connection: Connection,
  queue: string,
  isCluster: boolean,
  patience: number,
): Promise<QueueKeys[]> {
  const partitions = await readPartitionNumber(connection, new QueueKeys(queue, isCluster), patience);
  return keysOfPartitions(queue, isCluster, partitions);
}

/** Refuses the name of a partition other than 0: the messages of the others would be missed. */
function refusePartitionName(name: string): void {
  const found = queueOfPartition(name);
  if (!found) return;
  const { queue, partition } = found;
  throw new InvalidOptionError(
    `${formatValue(name)} is partition ${String(partition)} of the queue ${formatValue(queue)}: give the name of the queue`,
  );
}
