import { QueueAdmin, Schedules } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { closing, newQueueName, until } from '../support/queue.js';
import { failOver, startReplicated, startSentinels } from '../support/replicas.js';

const EACH_SECOND = { name: 'tick', cron: '* * * * * *', missed: 'all' } as const;

it('Sentinel: the master is killed, and a schedule has one event for each second all the same', async () => {
  const queue = newQueueName();
  const { master } = await startReplicated(2);
  const sentinels = await startSentinels(master);
  const { username, password } = new URL(master.url);
  const redis = { sentinels, name: 'orders', ...(username && { username, password }) };
  for (let n = 0; n < 2; n++) await closing(new Schedules(queue, redis)).declare(EACH_SECOND);
  const admin = closing(new QueueAdmin(queue, redis));
  const times = async (): Promise<number[]> => {
    const { messages } = await admin.messages('waiting', { limit: 1_000 });
    return messages.map(({ headers }) => Date.parse(headers['elkmq-scheduled-at'] ?? ''));
  };
  await until(async () => (await times()).length >= 2);

  await failOver(master, sentinels);
  const promotedAt = Date.now();
  await until(async () => (await times().catch(() => [])).some((time) => time > promotedAt));
  const all = await times();
  const [first = 0] = all;
  // The event and the next time are written in one step, so the new master has both of an occurrence, or neither.
  expect(all).toEqual(all.map((_time, index) => first + 1_000 * index));
}, 120_000);
