import { QueueAdmin, type MinuteRates } from 'nestjs-elkmq';
import { closing, url } from './queue.js';

type Counted = Pick<MinuteRates, 'stored' | 'handled' | 'retried' | 'dead' | 'expired'>;

/** What was counted in the last hour. */
export async function countedOf(queue: string): Promise<Counted> {
  const sums = { stored: 0, handled: 0, retried: 0, dead: 0, expired: 0 };
  for (const minute of await closing(new QueueAdmin(queue, url)).rates()) {
    for (const name of Object.keys(sums) as (keyof Counted)[]) sums[name] += minute[name];
  }
  return sums;
}
