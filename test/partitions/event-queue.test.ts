import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { clusterOf, startServers } from '../support/cluster.js';
import { newQueue } from '../support/event-queue.js';
import { clientOf } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';

const PARTITIONS = 4;

it('an EventQueue goes on with the other partitions when a master is away, and can be closed', async () => {
  const servers = await startServers(4);
  for (const server of servers) await clientOf(server).config('SET', 'cluster-require-full-coverage', 'no');
  const name = newQueueName();
  const queue: EventQueue = newQueue(name, clusterOf(servers), {
    partitions: PARTITIONS,
    enqueueTimeout: 3_000,
  });
  const keys = Array.from({ length: 24 }, (_, n) => `key-${String(n)}`);
  const enqueue = (key: string) => queue.enqueue(new ServiceEvent(10, 'note', key), { orderingKey: key });
  for (const key of keys) await enqueue(key);
  const [, last] = [servers, servers[3]];
  const stored = last ? await clientOf(last).keys('*') : [];
  const names = partitionNames(name, PARTITIONS);
  const lost = names.findIndex((each) => stored.includes(`{${each}}(event_stream)`));
  expect(lost).toBeGreaterThanOrEqual(0);
  const isLost = (key: string) => partitionOf(key, PARTITIONS) === lost;
  const kept = keys.filter((key) => !isLost(key));
  expect(kept.length).toBeLessThan(keys.length);
  await last?.kill();

  const taken = new Set<string>();
  // A call that comes upon the partition first can fail with a `ConnectionError`. The next ones leave it out.
  await until(async () => {
    try {
      const [, event] = await queue.dequeue();
      taken.add(String(event.payload));
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    }
    return kept.every((key) => taken.has(key));
  });
  expect([...taken].filter(isLost)).toEqual([]);
  const next = queue.dequeueBlocking(0);
  await enqueue(kept[0] as string);
  const [, { payload }] = await next;
  expect(payload).toBe(kept[0]);
  expect((await queue.state()).away).toMatchObject([{ partition: lost }]);
  await queue.close();
});
