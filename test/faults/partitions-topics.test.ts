import type { Cluster } from 'ioredis';
import { Topic } from 'elkmq';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { beforeAll, expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { clusterOf, launchServers, shardOf } from '../support/cluster.js';
import { healthOf } from '../support/health.js';
import { events, logs, moduleOf, startApp, startClient } from '../support/nest.js';
import { emitted, KEYS, PARTITIONS, setFullCoverage } from '../support/partition-load.js';
import { closing, newQueueName, rejection, until } from '../support/queue.js';
import { event } from '../support/topics.js';

/** Three masters without a replica. */
let servers: PrivateRedis[];
beforeAll(async () => {
  servers = await launchServers(3, 0);
  await setFullCoverage(servers, 'no');
  return async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
});

function keyed(data: unknown, key: string) {
  return new ElkMqRecordBuilder(data).setOrderingKey(key).build();
}

/** A service that notes what it gets: each event with its key. */
async function startService(topic: string, subscription: string, redis: Cluster, patterns = ['a']) {
  const got: unknown[] = [];
  const handlers = Object.fromEntries(
    patterns.map((pattern) => [pattern, (data: unknown) => got.push(data)]),
  );
  const address = { topic, subscription, partitions: PARTITIONS, redis };
  await startApp(moduleOf(events(handlers)), address);
  return got;
}

/** The partitions on the master that has partition 0, and the keys that lead there. */
async function shardOfFirst(topic: string) {
  const names = partitionNames(topic, PARTITIONS);
  const { master } = await shardOf(servers, `{${topic}}`);
  const masters = await Promise.all(names.map(async (name) => (await shardOf(servers, `{${name}}`)).master));
  const isLost = masters.map((each) => each === master);
  const lost = KEYS.filter((key) => isLost[partitionOf(key, PARTITIONS)]);
  return { master, masters, lost, kept: KEYS.filter((key) => !lost.includes(key)), isLost };
}

it('partitions of a topic are on all masters; every service gets each event once, and each key keeps its order', async () => {
  const cluster = clusterOf(servers);
  const name = newQueueName();
  const services = [await startService(name, 'billing', cluster), await startService(name, 'mail', cluster)];
  const client = startClient({ topic: name, partitions: PARTITIONS, redis: cluster });
  const numbers = Array.from({ length: 10 }, (_, n) => n);
  await Promise.all([
    ...numbers.flatMap((n) => KEYS.map((key) => emitted(client, 'a', keyed(`${key}:${String(n)}`, key)))),
    ...numbers.map((n) => emitted(client, 'a', `plain:${String(n)}`)),
  ]);
  const total = KEYS.length * numbers.length + numbers.length;
  await until(() => services.every((got) => got.length === total));
  for (const got of services) {
    expect(new Set(got).size).toBe(total);
    for (const key of KEYS) {
      const own = got.filter((data) => String(data).startsWith(`${key}:`));
      expect(own).toEqual(numbers.map((n) => `${key}:${String(n)}`));
    }
  }
  const { masters } = await shardOfFirst(name);
  const counts = servers.map((server) => masters.filter((each) => each === server).length);
  expect(counts.sort()).toEqual([2, 3, 3]);
  const topic = closing(new Topic(name, cluster, { partitions: PARTITIONS }));
  const { subscriptions, partitions } = await topic.state();
  expect(partitions).toBe(PARTITIONS);
  expect(subscriptions.map((each) => [each.name, each.workers])).toEqual([
    ['billing', 1],
    ['mail', 1],
  ]);
  expect(await topic.unsubscribe('mail')).toBe(true);
});

// The last one: the master stays away.
it('a master without a replica is killed: events without a key go elsewhere, and only those with its keys fail', async () => {
  const cluster = clusterOf(servers);
  const name = newQueueName();
  const options = { partitions: PARTITIONS, enqueueTimeout: 5_000 };
  const topic = closing(new Topic(name, cluster, options));
  const billing = await startService(name, 'billing', cluster);
  await topic.subscribe('idle', { patterns: ['b'] });
  const client = startClient({ topic: name, redis: cluster, ...options });
  for (const key of KEYS) await emitted(client, 'a', keyed(key, key));
  await until(() => billing.length === KEYS.length);
  const { master, lost, kept, isLost } = await shardOfFirst(name);
  expect(lost.length * kept.length).toBeGreaterThan(0);
  await master.kill();

  const failures = await Promise.all(lost.map((key) => rejection(emitted(client, 'a', keyed('lost', key)))));
  for (const error of failures) expect(error).toHaveProperty('code', 'CONNECTION_FAILED');
  // The first event without a key that goes to a partition there fails too, and then that partition is known.
  let inARow = 0;
  let stored = 0;
  await until(async () => {
    const isStored = await emitted(client, 'a', 'plain').then(
      () => true,
      () => false,
    );
    if (isStored) stored++;
    inARow = isStored ? inARow + 1 : 0;
    return inARow === 2 * PARTITIONS;
  });
  for (let n = 0; n < 20; n++) await emitted(client, 'a', 'plain');
  for (const key of kept) await emitted(client, 'a', keyed(`again ${key}`, key));
  await until(() => billing.length === KEYS.length + stored + 20 + kept.length);

  const away = isLost.flatMap((is, partition) => (is ? [partition] : []));
  const state = await topic.state();
  expect(state.away?.map(({ partition }) => partition)).toEqual(away);
  expect(state.away?.[0]).toHaveProperty('name', name);
  expect(state.subscriptions.map((each) => each.name)).toEqual(['billing', 'idle']);
  expect(await client.state()).toMatchObject({ partitions: PARTITIONS, away: state.away });
  expect(await healthOf(client, { timeout: 5_000 })).toMatchObject({
    status: 'up',
    degraded: expect.stringContaining(`partition 0 (${name}) is away`) as string,
  });

  // Its table decides, so nothing can be changed while it is away.
  expect(await rejection(topic.subscribe('billing', { patterns: ['c'] }))).toHaveProperty(
    'code',
    'CONNECTION_FAILED',
  );
  // A server that needs no change serves the partitions that answer.
  const second = await startService(name, 'billing', cluster);
  await until(() => logs.some((line) => line.includes('partition 0 is not served yet')));
  for (let n = 0; n < 40; n++) await emitted(client, 'a', 'more');
  await until(() => second.length > 0);
  const fresh = closing(new Topic(name, cluster, options));
  await until(() =>
    fresh.publish(event('a')).then(
      (copies) => copies === 1,
      () => false,
    ),
  );
});
