import { QueueAdmin, type MinuteRates } from 'nestjs-elkmq';
import { closing, redis, url } from './queue.js';

const MINUTE = 60_000;

type Counted = Pick<MinuteRates, 'stored' | 'handled' | 'retried' | 'dead' | 'expired'>;

/** What was counted in the last hour. */
export async function countedOf(queue: string): Promise<Counted> {
  const sums = { stored: 0, handled: 0, retried: 0, dead: 0, expired: 0 };
  for (const minute of await closing(new QueueAdmin(queue, url)).rates()) {
    for (const name of Object.keys(sums) as (keyof Counted)[]) sums[name] += minute[name];
  }
  return sums;
}

/**
 * Writes what was counted in the minute of a time.
 * @param counts stored, handled, retried, dead, expired, and the total and the longest time in ms, joined by blanks
 */
export async function writeMinute(
  queue: string,
  time: number,
  counts: string,
  client = redis,
): Promise<void> {
  const minute = Math.floor(time / MINUTE);
  await client.hset(`${queue}(rates)`, String(minute % 2_880), `${String(minute)} ${counts}`);
}
