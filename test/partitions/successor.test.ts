import { ElkMqRecordBuilder, QueueAdmin, type ElkMqContext } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { startCluster } from '../support/cluster.js';
import { healthOf } from '../support/health.js';
import { events, moduleOf, startApp, startClient, told } from '../support/nest.js';
import { closing, newQueueName, until } from '../support/queue.js';

const KEYS = Array.from({ length: 12 }, (_, n) => `customer-${String(n)}`);

it.each([
  ['without partitions', {}, 4],
  ['with 4 partitions', { partitions: 4 }, 8],
])('clients switch from a queue %s to one after it: each key keeps its order', async (_, old, partitions) => {
  const redis = await startCluster(3);
  const [before, queue] = [newQueueName(), newQueueName()];
  const seen = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  const ofQueue = { [before]: 0, [queue]: 0 };
  const running = new Set<string>();
  const overlaps: string[] = [];
  const moduleFor = (name: string) => {
    const note = async (n: number, context: ElkMqContext) => {
      const key = String(context.getOrderingKey());
      if (running.has(key)) overlaps.push(key);
      running.add(key);
      await new Promise((resolve) => setImmediate(resolve));
      running.delete(key);
      seen.get(key)?.push(n);
      ofQueue[name] = (ofQueue[name] ?? 0) + 1;
    };
    return moduleOf(events({ note }));
  };
  await startApp(moduleFor(before), { queue: before, redis, ...old });
  let client = startClient({ queue: before, redis, ...old });
  let [stored, isOver] = [0, false];
  const senders = KEYS.map(async (key) => {
    for (let n = 0; !isOver; n++) {
      await told(client.emit('note', new ElkMqRecordBuilder(n).setOrderingKey(key).build()));
      stored++;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  const stores = async (count: number) => {
    const target = stored + count;
    await until(() => stored >= target);
  };
  await stores(200);
  // Its workers stand still for a while, so something is left when the clients switch.
  const admin = closing(new QueueAdmin(before, redis));
  await admin.pause();
  await until(async () => (await admin.workers()).every(({ paused }) => paused));
  await stores(200);
  client = startClient({ queue, redis, partitions });
  await stores(200);
  const server = closing(new QueueAdmin(queue, redis));
  await startApp(moduleFor(queue), { queue, redis, partitions, after: before });
  expect(await server.state()).toMatchObject({ waitsFor: before, partitions });
  expect(await healthOf(server)).toMatchObject({ degraded: `the queue waits for ${before}` });
  await stores(100);
  expect(ofQueue[queue]).toBe(0);
  await admin.resume();
  await until(() => Number(ofQueue[queue]) >= 100);
  isOver = true;
  await Promise.all(senders);
  const count = () => [...seen.values()].flat().length;
  await until(() => count() === stored);
  for (const numbers of seen.values()) expect(numbers).toEqual(numbers.map((_n, index) => index));
  expect(overlaps).toEqual([]);
  expect(await server.state()).not.toHaveProperty('waitsFor');
  expect(await admin.state()).toMatchObject({ waiting: 0, running: 0, delayed: 0 });
});
