import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import { parseId } from './message-reader.js';
import type { QueueMessage } from './queue-message.js';

/**
 * The id of a message of a queue with partitions: that of its partition is before it, `3:1700000000000-0`.
 */
const PARTITIONED = /^(\d{1,2}):(\d{1,20}-\d{1,20})$/;

/** An id, and the partition that it names. */
export interface PartitionedId {
  readonly partition: number;
  readonly id: string;
}

export function formatPartitionedId(partition: number, id: string): string {
  return `${String(partition)}:${id}`;
}

/**
 * Returns the parts of an id that names its partition.
 * @throws {InvalidOptionError} when it names none: messages of two partitions can have one id
 */
export function parsePartitionedId(name: string, value: unknown, partitions: number): PartitionedId {
  const found = readPartitionedId(value, partitions);
  if (found) return found;
  throw new InvalidOptionError(
    `${name} must be the id of a message with its partition, 0 to ${String(partitions - 1)}, such as 0:1700000000000-0, got ${formatValue(value)}`,
  );
}

/** Returns the parts of an id that may name its partition. */
export function parseMaybePartitioned(
  name: string,
  value: unknown,
  partitions: number,
): PartitionedId | { readonly partition: undefined; readonly id: string } {
  if (typeof value === 'string' && value.includes(':')) return parsePartitionedId(name, value, partitions);
  return { partition: undefined, id: parseId(name, value) };
}

/** The message with ids that name its partition. */
export function withPartition(message: QueueMessage, partition: number): QueueMessage {
  const { id, origin } = message;
  return {
    ...message,
    id: formatPartitionedId(partition, id),
    origin: formatPartitionedId(partition, origin),
  };
}

function readPartitionedId(value: unknown, partitions: number): PartitionedId | undefined {
  const [, partition, id] = (typeof value === 'string' && PARTITIONED.exec(value)) || [];
  if (partition === undefined || id === undefined || Number(partition) >= partitions) return undefined;
  return { partition: Number(partition), id };
}
