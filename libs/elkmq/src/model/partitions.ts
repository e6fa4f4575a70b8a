import keySlot from 'cluster-key-slot';
import { InvalidOptionError } from './errors.js';
import { QueueKeys } from './keys.js';
import { formatValue, parseBoolean } from './options.js';

/** The number of slots of Redis Cluster. */
const SLOTS = 16_384;
/** The largest number of partitions. It must stay: the ranges below are as many. */
const MAX_PARTITIONS = 64;
/** The number of slots in one of 64 equal ranges. */
const RANGE_SLOTS = SLOTS / MAX_PARTITIONS;
/** The bits of a partition's index. */
const INDEX_BITS = 6;

/** The beginning and the prime of FNV-1a, 32 bits. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The end of the tag of a partition: its index, and the number that leads to its slot. */
const PARTITION_TAG = /#(\d{1,2})\.\d+(?=}|$)/;

/** A name with one hash tag: what is before it, the tag, what is after it. */
const TAGGED = /^([^{}]*)\{([^{}]+)\}([^{}]*)$/;

/** The options of whoever uses a queue, or a topic, with partitions. */
export interface PartitionOptions {
  /**
   * The number of partitions of the queue or the topic: 2, 4, 8, 16, 32 or 64. Each is in a slot of its own
   * of Redis Cluster, so the queue can be on several servers. All clients and servers give the same number,
   * which stays for as long as the queue is there. Default: none; the queue is in one slot.
   */
  partitions?: number;
  /**
   * Whether a queue or a topic on a single Redis may have partitions. They bring nothing there, so this is
   * for tests. Default false.
   */
  partitionsForTests?: boolean;
}

/**
 * Checks the options for partitions.
 * @returns their number, or `undefined` when the queue has none
 * @throws {InvalidOptionError}
 */
export function parsePartitions(
  queue: string,
  { partitions, partitionsForTests }: PartitionOptions,
  isCluster: boolean,
): number | undefined {
  const isForTests = parseBoolean('partitionsForTests', partitionsForTests);
  if (partitions === undefined) return undefined;
  const count = checkPartitions(partitions);
  if (!isCluster && !isForTests) {
    throw new InvalidOptionError(
      `partitions need Redis Cluster: give an ioredis Cluster as redis, leave partitions out (got ${String(count)}), or set partitionsForTests to true in a test`,
    );
  }
  partitionNames(queue, count);
  return count;
}

/**
 * Checks the number of partitions of a queue.
 * @throws {InvalidOptionError} when it is not one of 2, 4, 8, 16, 32 and 64
 */
export function checkPartitions(value: unknown): number {
  if (typeof value === 'number' && [2, 4, 8, 16, 32, 64].includes(value)) return value;
  throw new InvalidOptionError(`partitions must be 2, 4, 8, 16, 32 or 64, got ${formatValue(value)}`);
}

/**
 * The names of the partitions of a queue. Each partition is a queue with its own name and its own slot of
 * Redis Cluster. Partition 0 has the name of the queue, `orders`, and the others have names such as
 * `orders#1.78`. A hash tag in the name stays one: `{shop}orders` and `{shop#1.78}orders`. The slots are
 * divided into as many equal ranges as there are partitions, and each range has one. The names of fewer
 * partitions are the first of more.
 * @param partitions their number: see `checkPartitions`
 * @throws {InvalidOptionError} when the name is empty, or has braces that are not one hash tag
 */
export function partitionNames(queue: string, partitions: number): string[] {
  const [, before = '', tag = '', after = ''] = TAGGED.exec(queue) ?? [];
  const isTagged = tag !== '';
  if (queue === '' || (!isTagged && /[{}]/.test(queue))) {
    throw new InvalidOptionError(
      `a queue with partitions must have a name without braces or with one hash tag {…}, got ${formatValue(queue)}`,
    );
  }
  return partitionTags(isTagged ? tag : queue, partitions).map((each) =>
    isTagged ? `${before}{${each}}${after}` : each,
  );
}

/** The keys of each partition of a queue: see `partitionNames`. */
export function partitionKeys(queue: string, partitions: number, isCluster: boolean): QueueKeys[] {
  return partitionNames(queue, partitions).map((name) => new QueueKeys(name, isCluster));
}

/**
 * The queue of which this name is a partition, and the index; `undefined` when it is the name of none.
 * Partition 0 has the name of its queue, so it is not found.
 */
export function queueOfPartition(name: string): { queue: string; partition: number } | undefined {
  const [end = '', index = ''] = PARTITION_TAG.exec(name) ?? [];
  const partition = Number(index);
  if (partition < 1 || partition >= MAX_PARTITIONS) return undefined;
  const queue = name.replace(PARTITION_TAG, '');
  if (end === '' || queue === '' || (/[{}]/.test(queue) && !TAGGED.test(queue))) return undefined;
  return partitionNames(queue, MAX_PARTITIONS)[partition] === name ? { queue, partition } : undefined;
}

/**
 * The partition of a message with this ordering key or deduplication key: FNV-1a (32 bits) of its UTF-8,
 * modulo the number of partitions.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = FNV_BASIS;
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return (hash >>> 0) % partitions;
}

function partitionTags(tag: string, partitions: number): string[] {
  const first = slotOf(tag);
  return Array.from({ length: partitions }, (_, index) =>
    index === 0 ? tag : tagInRange(`${tag}#${String(index)}`, (first + distanceOf(index)) % SLOTS),
  );
}

/** The first of `start.0`, `start.1` and so on whose slot is in the same range as `slot`. */
function tagInRange(start: string, slot: number): string {
  const range = Math.floor(slot / RANGE_SLOTS);
  for (let number = 0; ; number++) {
    const tag = `${start}.${String(number)}`;
    if (Math.floor(slotOf(tag) / RANGE_SLOTS) === range) return tag;
  }
}

/**
 * The number of slots from partition 0 to this one. The bits of the index in reverse order halve the widest
 * gap each time.
 */
function distanceOf(index: number): number {
  let reversed = 0;
  for (let bit = 0; bit < INDEX_BITS; bit++) reversed = (reversed << 1) | ((index >> bit) & 1);
  return reversed * RANGE_SLOTS;
}

function slotOf(tag: string): number {
  return keySlot(Buffer.from(tag));
}
