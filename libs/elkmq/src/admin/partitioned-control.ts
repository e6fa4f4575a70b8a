import { InvalidOptionError } from '../model/errors.js';
import type { AdminContext } from './admin-call.js';
import { parseLimits, setQueueLimits, type QueueLimits } from './queue-limits.js';
import { pauseQueue, resumeQueue, type QueuePause } from './queue-pause.js';

/**
 * Pauses all partitions of a queue.
 * @returns the pause that began first
 */
export async function pausePartitions(partitions: readonly AdminContext[], by?: string): Promise<QueuePause> {
  const pauses = await inAll(partitions.map((context) => pauseQueue(context, by)));
  return pauses.reduce((first, pause) => (pause.since < first.since ? pause : first));
}

/**
 * Ends the pause of all partitions of a queue.
 * @returns whether one of them was paused
 */
export async function resumePartitions(partitions: readonly AdminContext[]): Promise<boolean> {
  const were = await inAll(partitions.map(resumeQueue));
  return were.includes(true);
}

/**
 * Divides limits among the partitions of a queue, and sets them. When a number cannot be divided evenly, the
 * first partitions have one more.
 * @returns the limits of the queue
 * @throws {InvalidOptionError} when a number is smaller than the number of partitions
 */
export async function setPartitionLimits(
  partitions: readonly AdminContext[],
  given: QueueLimits,
): Promise<QueueLimits> {
  const limits = parseLimits(given);
  const { concurrency, rate } = limits;
  const count = partitions.length;
  refuseBelow('concurrency', concurrency, count);
  refuseBelow('rate.limit', rate?.limit, count);
  const shareOf = (value: number, partition: number): number =>
    Math.floor(value / count) + (partition < value % count ? 1 : 0);
  const set = partitions.map((context, partition) =>
    setQueueLimits(context, {
      ...(concurrency !== undefined && { concurrency: shareOf(concurrency, partition) }),
      ...(rate && { rate: { limit: shareOf(rate.limit, partition), per: rate.per } }),
    }),
  );
  await inAll(set);
  return limits;
}

/** Waits until each partition has taken the change or refused it. Rejects when one has refused it. */
async function inAll<T>(changes: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(changes);
  return Promise.all(changes);
}

/** A partition without a share would stand still. */
function refuseBelow(name: string, value: number | undefined, count: number): void {
  if (value === undefined || value >= count) return;
  throw new InvalidOptionError(
    `${name} must be at least ${String(count)}, the number of partitions of the queue, got ${String(value)}`,
  );
}
