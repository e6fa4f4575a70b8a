import keySlot from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import { QueueAdmin, queues, ServiceEvent, type QueueChange } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { clusterOf, startCluster, startServers, startUnreliableCluster } from '../support/cluster.js';
import { deadLetter } from '../support/dead-letters.js';
import { healthOf } from '../support/health.js';
import { PartitionedQueue } from '../support/partitions.js';
import { closing, rejection } from '../support/queue.js';

const HOUR = 3_600_000;
const START = Date.now() - HOUR;

function adminOf(queue: PartitionedQueue, options = {}): QueueAdmin {
  return closing(new QueueAdmin(queue.name, queue.cluster, options));
}

async function allPages(admin: QueueAdmin, state: 'waiting' | 'delayed' | 'dead', limit: number) {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await admin.messages(state, { after, limit });
    expect(page.messages.length).toBeLessThanOrEqual(limit);
    ids.push(...page.messages.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  return ids;
}

it('a queue with partitions is one queue: its state is that of all partitions', async () => {
  const servers = await startServers(3);
  const queue = await PartitionedQueue.register(clusterOf(servers), 4);
  for (const [partition, age] of [60_000, 5_000, HOUR, 1_000].entries())
    await queue.addWaiting(partition, Date.now() - age, partition);
  await queue.addDelayed(1, Date.now() + HOUR, 1);
  await queue.addLetter(2, deadLetter(1));
  await queue.addLetter(3, deadLetter(2));
  const state = await adminOf(queue).state();
  expect(state).toMatchObject({ waiting: 4, delayed: 1, deadLetters: 2, workers: 0, partitions: 4 });
  expect(state.oldestWaiting).toBeGreaterThanOrEqual(HOUR - 1_000);
  expect(state).not.toHaveProperty('away');
  const asAdmin = () => new Cluster([String(servers[0]?.adminUrl)], { lazyConnect: true });
  expect(await queues(asAdmin)).toEqual({ queues: [queue.name], isComplete: true });
  const partition = closing(new QueueAdmin(queue.keysOf(1).queue, queue.cluster));
  expect(await rejection(partition.state())).toHaveProperty(
    'message',
    `"${queue.keysOf(1).queue}" is partition 1 of the queue "${queue.name}": give the name of the queue`,
  );
});

it('messages of all partitions are read by time, each once, and found by their ids', async () => {
  const queue = await PartitionedQueue.register(await startCluster(3), 4);
  const admin = adminOf(queue);
  const waiting: string[] = [];
  const delayed: string[] = [];
  const dead: string[] = [];
  // Partition 3 has nothing, and partition 0 has most.
  for (let n = 0; n < 30; n++) {
    const partition = [0, 1, 0, 2, 0, 0][n % 6] as number;
    waiting.push(await queue.addWaiting(partition, START + n, n));
    delayed.push(await queue.addDelayed(partition, START + 2 * HOUR + n, n));
    dead.unshift(await queue.addLetter(partition, deadLetter(n, 'failed', 'order.paid', START + n)));
  }
  for (const limit of [1, 4, 7, 30, 100]) {
    expect(await allPages(admin, 'waiting', limit)).toEqual(waiting);
    expect(await allPages(admin, 'delayed', limit)).toEqual(delayed);
    expect(await allPages(admin, 'dead', limit)).toEqual(dead);
  }
  // Redis reads at most a megabyte at once, so the large ones come one by one.
  const large = 'x'.repeat(700_000);
  const mixed: string[] = [];
  for (const [n, partition] of [0, 0, 3, 0].entries())
    mixed.push(await queue.addWaiting(partition, START + 100 + n, partition === 3 ? n : large));
  expect(await allPages(admin, 'waiting', 100)).toEqual([...waiting, ...mixed]);
  const found: string[] = [];
  const filter = { pattern: 'order.placed', text: '7' };
  for await (const step of admin.search(filter)) found.push(...step.found.map(({ id }) => id));
  const hasSeven = (_: string, n: number) => [7, 17, 27].includes(n);
  expect(found).toEqual([...waiting.filter(hasSeven).reverse(), ...delayed.filter(hasSeven)]);
  expect(await admin.message(waiting[9] as string)).toMatchObject({ id: waiting[9], payload: 9 });
  // An id of the log names no partition.
  expect(await admin.message(`${START + 9}-0`)).toMatchObject({ id: waiting[9], origin: waiting[9] });
  expect(await admin.message('3:1-0')).toBeUndefined();
  const refused = await rejection(admin.messages('waiting', { after: '1-0|2-0' }));
  expect(refused).toHaveProperty('message', 'after must be `next` of a page, got "1-0|2-0"');
});

it('messages of all partitions are changed by ids that name the partition, and each change is told', async () => {
  const queue = await PartitionedQueue.register(await startCluster(3), 4);
  const told: Partial<QueueChange>[] = [];
  const admin = adminOf(queue, { audit: (change: QueueChange) => told.push(change) });
  const [first, second] = [await queue.addWaiting(1, START, 1), await queue.addWaiting(2, START, 2)];
  // Both partitions have an entry with this id.
  expect(first.slice(2)).toBe(second.slice(2));
  expect(await rejection(admin.remove(first.slice(2)))).toHaveProperty(
    'message',
    `id must be the id of a message with its partition, 0 to 3, such as 0:1700000000000-0, got "${first.slice(2)}"`,
  );
  expect(await rejection(admin.remove('4:1-0'))).toHaveProperty('message', expect.stringContaining('0 to 3'));
  expect(await admin.remove(first)).toBe(1);
  expect(told).toEqual([{ queue: queue.name, partition: 1, action: 'remove', target: [first], count: 1 }]);
  expect(await queue.lengths()).toEqual([0, 0, 1, 0]);

  const delayed = [
    await queue.addDelayed(0, START + 2 * HOUR, 1),
    await queue.addDelayed(3, START + 2 * HOUR, 2),
  ];
  expect(await admin.runNow(delayed)).toBe(2);
  for (let n = 0; n < 4; n++) await queue.addLetter(n, deadLetter(n));
  const letter = await queue.addLetter(0, deadLetter(7, 'expired'));
  expect(await admin.retry(letter)).toBe(1);
  expect(await admin.retry({ reason: 'failed' })).toBe(4);
  expect(await queue.lengths()).toEqual([3, 1, 2, 2]);
  expect(await admin.purge('waiting')).toBe(8);
  expect(await queue.lengths()).toEqual([0, 0, 0, 0]);

  const origin = await admin.enqueue(new ServiceEvent(60, 'order.placed', '1'));
  expect(await admin.message(origin)).toMatchObject({ origin, state: 'waiting' });
});

it('dead letters that are moved to a queue with partitions go to the partition of their ordering key', async () => {
  const cluster = await startCluster(3);
  const [from, to] = [
    await PartitionedQueue.register(cluster, 2),
    await PartitionedQueue.register(cluster, 8),
  ];
  const keys = ['anna', 'ben', 'carla', 'dora'];
  for (const [n, key] of keys.entries()) {
    const letter = deadLetter(n);
    await from.addLetter(n % 2, { ...letter, fields: [...letter.fields, 'ordering_key', key] });
  }
  const admin = adminOf(from);
  expect(await rejection(admin.move({}, from.name))).toHaveProperty(
    'message',
    expect.stringContaining('another queue'),
  );
  expect(await admin.move({}, to.name)).toEqual({ count: 4, stayed: {} });
  expect((await admin.state()).deadLetters).toBe(0);
  const { messages } = await adminOf(to).messages('waiting');
  expect(new Set(messages.map(({ id, orderingKey }) => `${id.split(':')[0]} ${orderingKey}`))).toEqual(
    new Set(keys.map((key) => `${partitionOf(key, 8)} ${key}`)),
  );
});

it('messages are moved from partitions to partitions, each once', async () => {
  const cluster = await startCluster(3);
  const [from, to] = [
    await PartitionedQueue.register(cluster, 4),
    await PartitionedQueue.register(cluster, 8),
  ];
  const ids = [];
  for (let n = 0; n < 40; n++)
    ids.push(
      await (n % 4 === 3
        ? from.addDelayed(3, START + 2 * HOUR + n, n)
        : from.addWaiting(n % 4, START + n, n)),
    );
  const changes: QueueChange[] = [];
  const admin = adminOf(from, { audit: (change: QueueChange) => void changes.push(change) });
  const target = adminOf(to);
  const fewer = ids.slice(0, 20);
  expect(await admin.move(fewer, to.name)).toEqual({ count: 20, stayed: {} });
  expect(await admin.move(ids, to.name)).toEqual({ count: 20, stayed: { gone: 20 } });
  const counts = changes.slice(0, 4).map(({ partition, count }) => `${String(partition)}: ${String(count)}`);
  expect(counts.sort()).toEqual(['0: 5', '1: 5', '2: 5', '3: 5']);
  expect(await admin.state()).toMatchObject({ waiting: 0, delayed: 0 });
  const moved = [
    ...(await target.messages('waiting')).messages,
    ...(await target.messages('delayed')).messages,
  ];
  const payloads = moved.map(({ payload }) => Number(payload));
  expect(payloads.sort((one, other) => one - other)).toEqual(ids.map((_, n) => n));
});

it('a pause holds all partitions, and limits are divided among them', async () => {
  const queue = await PartitionedQueue.register(await startCluster(3), 4);
  const admin = adminOf(queue);
  const controls = (...fields: string[]) =>
    Promise.all(queue.keys.map(({ control }) => queue.cluster.hmget(control, ...fields)));
  const paused = await admin.pause('anna');
  expect(await controls('by')).toEqual([['anna'], ['anna'], ['anna'], ['anna']]);
  expect((await admin.state()).paused).toEqual(paused);
  expect(await admin.resume()).toBe(true);
  expect(await admin.state()).not.toHaveProperty('paused');

  const limits = { concurrency: 10, rate: { limit: 103, per: 1_000 } };
  expect(await admin.setLimits(limits)).toEqual(limits);
  expect(await controls('concurrency', 'rate', 'per')).toEqual([
    ['3', '26', '1000'],
    ['3', '26', '1000'],
    ['2', '26', '1000'],
    ['2', '25', '1000'],
  ]);
  expect((await admin.state()).limits).toEqual(limits);
  expect(await rejection(admin.setLimits({ concurrency: 3 }))).toHaveProperty(
    'message',
    'concurrency must be at least 4, the number of partitions of the queue, got 3',
  );
  await admin.setLimits({});
  expect(await admin.state()).not.toHaveProperty('limits');
});

it('a worker of all partitions is one worker', async () => {
  const queue = await PartitionedQueue.register(await startCluster(3), 4);
  const describe = (pid: number, since: number, running: number) => ({
    ...{ seen: Date.now(), ttl: 60_000, host: 'host', pid, version: '1', queue: queue.name, handlers: ['a'] },
    ...{ concurrency: 8, running, since, lease: 10_000, paused: false, features: ['pause'] },
  });
  for (const [partition, { workers }] of queue.keys.entries()) {
    const running = partition + 1;
    for (const member of [describe(1, START, running), describe(1, START + 1, 0), describe(2, START + 2, 1)])
      await queue.cluster.hset(workers, `${member.pid}-${member.since}`, JSON.stringify(member));
  }
  const admin = adminOf(queue);
  expect((await admin.state()).workers).toBe(3);
  const found = (await admin.workers()).map(({ pid, running, concurrency }) => [pid, running, concurrency]);
  expect(found).toEqual([
    [1, 10, 8],
    [1, 0, 8],
    [2, 4, 8],
  ]);
});

it('when a master is away, the state says which partitions are, and health is degraded', async () => {
  const { cluster, proxies } = await startUnreliableCluster(3);
  const queue = await PartitionedQueue.register(cluster, 4);
  for (let partition = 0; partition < 4; partition++) await queue.addWaiting(partition, START, 1);
  const admin = adminOf(queue, { timeout: 1_000 });
  expect((await admin.state()).waiting).toBe(4);
  proxies.at(-1)?.silence();
  const state = await admin.state();
  const away = state.away ?? [];
  expect(away.length).toBeGreaterThan(0);
  expect(state.waiting).toBe(4 - away.length);
  expect(await admin.workers()).toEqual([]);
  for (const { partition, name } of away) expect(name).toBe(queue.keysOf(partition).queue);
  const health = await healthOf(admin, { timeout: 1_000 });
  const [first] = away;
  expect(health).toMatchObject({
    status: 'up',
    degraded: expect.stringContaining(
      `partition ${String(first?.partition)} (${String(first?.name)}) is away: `,
    ) as unknown,
  });
});

it('a queue is known to have partitions also while partition 0 is away', async () => {
  const { cluster, proxies } = await startUnreliableCluster(3);
  const queue = await PartitionedQueue.register(cluster, 2);
  await queue.addWaiting(1, START, 1);
  const master = Math.floor(keySlot(queue.keysOf(0).eventStream) / Math.ceil(16_384 / 3));
  // Nobody listens there.
  proxies[master]?.leadTo('redis://127.0.0.1:1');
  proxies[master]?.cut();
  const state = await adminOf(queue, { timeout: 1_000 }).state();
  expect(state).toMatchObject({ waiting: 1, partitions: 2, away: [{ partition: 0, name: queue.name }] });
});
