import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import { ElkMqRecordBuilder, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { moveSlot } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import {
  clusterBehind,
  clusterOf,
  launchServers,
  proxiesBefore,
  shardOf,
  whenReplicated,
} from '../support/cluster.js';
import { events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { clientOf } from '../support/own-redis.js';
import {
  expectAllHandled,
  KEYS,
  PARTITIONS,
  partitionsOf,
  pickShard,
  Seen,
  Senders,
  setFullCoverage,
} from '../support/partition-load.js';
import { newQueueName, rejection, until } from '../support/queue.js';
import { hasReceived } from '../support/replicas.js';
import { mayRun } from '../support/test-redis.js';

/** Three masters, each with a replica. They change their roles from test to test. */
let servers: PrivateRedis[];
beforeAll(async () => {
  servers = await launchServers(3, 1);
  return async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
});

// A server that was restarted has forgotten it.
beforeEach(() => setFullCoverage(servers, 'no'));

/** A worker and a client of a queue with partitions. */
async function start(redis: Cluster, options: object = {}, enqueueTimeout = 60_000) {
  const queue = newQueueName();
  const seen = new Seen();
  const address = { queue, partitions: PARTITIONS, redis };
  const handlers = [
    events({ note: (n: number, context: ElkMqContext) => seen.note(n, context) }),
    requests({ double: (n: number) => n * 2 }),
  ];
  await startApp(moduleOf(...handlers), { ...address, ...options });
  const client = startClient({ ...address, enqueueTimeout });
  await client.connect();
  return { queue, seen, client, senders: new Senders(client) };
}

it('partitions are on all masters, and one worker and one client serve them', async () => {
  await setFullCoverage(servers, 'yes');
  const { queue, seen, client, senders } = await start(clusterOf(servers));
  await senders.stores(200);
  await senders.end();
  await expectAllHandled(seen, senders);
  const answers = Array.from({ length: 10 }, (_, n) => lastValueFrom(client.send<number>('double', n)));
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, (_, n) => n * 2));
  const masters = await Promise.all(servers.map((server) => partitionsOf(servers, server, queue)));
  expect(masters.map(({ length }) => length).toSorted()).toEqual([0, 0, 0, 2, 3, 3]);
  const warnings = logs.filter(
    (line) => line.includes(queue) && line.includes('cluster-require-full-coverage'),
  );
  const both = [expect.stringContaining('[ElkMqServer]'), expect.stringContaining('[ElkMqClient]')];
  // Who may not read the configuration cannot know it.
  expect(warnings).toEqual(mayRun('config|get') ? both : []);
});

it('slots are moved under load: everything is handled once, and each key keeps its order', async () => {
  const { queue, seen, senders } = await start(clusterOf(servers));
  await senders.stores(100);
  const { master, partitions } = await pickShard(servers, queue);
  const names = partitionNames(queue, PARTITIONS);
  const owners = await Promise.all(names.map(async (name) => (await shardOf(servers, `{${name}}`)).master));
  const target = owners.find((owner) => owner !== master) as PrivateRedis;
  for (const partition of partitions) {
    await moveSlot(keySlot(`{${String(names[partition])}}`), master, target, owners);
    await senders.stores(100);
  }
  expect(await partitionsOf(servers, master, queue)).toEqual([]);
  await senders.end();
  await expectAllHandled(seen, senders);
});

it('a replica takes over at CLUSTER FAILOVER under load: everything is handled once, and each key keeps its order', async () => {
  const { queue, seen, senders } = await start(clusterOf(servers));
  await senders.stores(100);
  const { replica, keys } = await pickShard(servers, queue);
  await clientOf(replica).call('CLUSTER', 'FAILOVER');
  await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
  await senders.storesOf(keys, 5);
  await senders.end();
  await expectAllHandled(seen, senders);
  await whenReplicated(servers);
});

it('the network to one master is cut without a word: everything is handled once, and each key keeps its order', async () => {
  const proxies = await proxiesBefore(servers);
  const { queue, seen, senders } = await start(clusterBehind(proxies, servers));
  await senders.stores(100);
  const { master, keys } = await pickShard(servers, queue);
  proxies[servers.indexOf(master)]?.silence();
  await senders.storesOf(keys, 5);
  await senders.end();
  await expectAllHandled(seen, senders);
});

it.each(['once', 'at-least-once'] as const)(
  'with %s, a master is killed and its replica takes over: each key keeps its order',
  async (delivery) => {
    const { queue, seen, senders } = await start(clusterOf(servers), { delivery }, 5_000);
    await senders.stores(100);
    const { master, replica, keys, others } = await pickShard(servers, queue);
    // Replication is asynchronous: what is stored last may be lost.
    await hasReceived(master, replica);
    await master.kill();
    await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
    await senders.storesOf(keys, 5);
    await senders.end();
    for (const key of KEYS) {
      const last = senders.stored.get(key)?.at(-1);
      await until(() => seen.ofKey.get(key)?.includes(last as number) === true);
      const numbers = seen.ofKey.get(key) ?? [];
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      if (others.includes(key)) expect(numbers).toEqual(senders.stored.get(key));
    }
    expect(seen.overlaps).toEqual([]);
    await master.restart();
    await whenReplicated(servers);
  },
);

// The last one: what it kills stays away.
it('a master without a replica is killed: only messages with its keys fail, and the rest goes on', async () => {
  const { queue, seen, client, senders } = await start(clusterOf(servers), {}, 5_000);
  await senders.stores(100);
  const { master, replica, keys: lost, others: kept } = await pickShard(servers, queue);
  const partition = partitionOf(String(lost[0]), PARTITIONS);
  const delayed = new ElkMqRecordBuilder(1).setOrderingKey(String(lost[0])).setDelay(3_600_000).build();
  const unanswered = rejection(lastValueFrom(client.send('double', delayed)));
  const delayedKey = `{${String(partitionNames(queue, PARTITIONS)[partition])}}(delayed)`;
  await until(async () => (await clientOf(master).zcard(delayedKey)) === 1);
  await replica.kill();
  await master.kill();

  // The keys of its partitions fail by and by, while everything else is stored and handled.
  await until(() => lost.every((key) => senders.keyedFailures.includes(key)));
  const before = { plain: senders.plain.length, seen: seen.plain.size };
  await until(() => senders.plain.length >= before.plain + 50);
  await until(() => seen.plain.size >= before.seen + 50);
  await senders.storesOf(kept, 5);
  expect(await lastValueFrom(client.send<number>('double', 21))).toBe(42);
  await senders.end();
  for (const key of kept) expect(senders.keyedFailures).not.toContain(key);
  await until(() => kept.every((key) => seen.ofKey.get(key)?.length === senders.stored.get(key)?.length));
  for (const key of kept) expect(seen.ofKey.get(key)).toEqual(senders.stored.get(key));
  expect(seen.overlaps).toEqual([]);

  // The request cannot be cancelled there.
  await client.close();
  expect(await unanswered).toHaveProperty('code', 'CONNECTION_FAILED');
});
