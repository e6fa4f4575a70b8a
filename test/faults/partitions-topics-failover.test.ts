import { setTimeout as sleep } from 'node:timers/promises';
import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import type { ElkMqContext } from 'nestjs-elkmq';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { partitionNames } from '../../libs/elkmq/src/model/partitions.js';
import { beginMove, endMove } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import {
  clusterThrough,
  clusterOf,
  launchServers,
  proxiesBefore,
  shardOf,
  whenReplicated,
} from '../support/cluster.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { clientOf } from '../support/own-redis.js';
import {
  expectAllHandled,
  PARTITIONS,
  partitionsOf,
  pickShard,
  Seen,
  Senders,
  setFullCoverage,
} from '../support/partition-load.js';
import { newQueueName, until } from '../support/queue.js';
import { hasReceived } from '../support/replicas.js';

/** ioredis sends a call that meets a slot on its way again for 1.6 s, and gives up then. */
const SLOW_MOVE_MS = 3_000;

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

/**
 * Two services with a subscription each, `once` and `at-least-once`, and a client under load.
 * @param redis that the client uses
 */
async function start(redis: Cluster, enqueueTimeout = 60_000) {
  const topic = newQueueName();
  const address = { topic, partitions: PARTITIONS };
  const cluster = clusterOf(servers);
  const service = async (subscription: string, delivery: 'once' | 'at-least-once'): Promise<Seen> => {
    const seen = new Seen();
    const handlers = events({ note: (n: number, context: ElkMqContext) => seen.note(n, context) });
    await startApp(moduleOf(handlers), { ...address, redis: cluster, subscription, delivery });
    return seen;
  };
  const services = [await service('billing', 'once'), await service('mail', 'at-least-once')];
  const client = startClient({ ...address, redis, enqueueTimeout });
  await client.connect();
  return { topic, services, client, senders: new Senders(client) };
}

it('slots are moved one by one under load: each service handles each event once, and each key keeps its order', async () => {
  const { topic, services, senders } = await start(clusterOf(servers));
  await senders.stores(100);
  const { master, partitions } = await pickShard(servers, topic);
  const names = partitionNames(topic, PARTITIONS);
  const owners = await Promise.all(names.map(async (name) => (await shardOf(servers, `{${name}}`)).master));
  const target = owners.find((owner) => owner !== master) as PrivateRedis;
  for (const partition of partitions) {
    const slot = keySlot(`{${String(names[partition])}}`);
    await beginMove(slot, master, target);
    // The first move is a slow one.
    if (partition === partitions[0]) await sleep(SLOW_MOVE_MS);
    await endMove(slot, master, target, owners);
    await senders.stores(100);
  }
  expect(await partitionsOf(servers, master, topic)).toEqual([]);
  await senders.end();
  for (const seen of services) await expectAllHandled(seen, senders);
});

it('a replica takes over at CLUSTER FAILOVER under load: each service handles each event once, and each key keeps its order', async () => {
  const { topic, services, senders } = await start(clusterOf(servers));
  await senders.stores(100);
  const { replica, keys } = await pickShard(servers, topic);
  await clientOf(replica).call('CLUSTER', 'FAILOVER');
  await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
  await senders.storesOf(keys, 5);
  await senders.end();
  for (const seen of services) await expectAllHandled(seen, senders);
  await whenReplicated(servers);
});

it('a client is cut off from one master: its other events go on, those with its keys fail, and all go on when it is back', async () => {
  const proxies = await proxiesBefore(servers);
  // The server that is cut off may be the first one that is asked for the list of all slots.
  const cluster = clusterThrough(proxies, servers, { slotsRefreshTimeout: 2_000 });
  const { topic, services, client, senders } = await start(cluster, 10_000);
  await senders.stores(100);
  const { master, keys, others } = await pickShard(servers, topic);
  const proxy = proxies[servers.indexOf(master)];
  proxy?.swallow();
  await until(() => keys.every((key) => senders.keyedFailures.includes(key)));
  // Now all partitions there are known not to answer. One event without a key may be on its way to them.
  const first = senders.failures.length + 1;
  const before = senders.plain.length;
  await until(() => senders.plain.length >= before + 50);
  await senders.storesOf(others, 5);
  expect(senders.failures.slice(first)).toEqual([]);
  for (const key of others) expect(senders.keyedFailures).not.toContain(key);

  proxy?.pass();
  await senders.storesOf(keys, 5);
  await senders.end();
  for (const seen of services) {
    await seen.sees(senders.storedSince());
    seen.expectOrder();
    expect(seen.repeats).toEqual([]);
  }
  expect(await client.state()).not.toHaveProperty('away');
});

it('a master is killed and its replica takes over: each service gets each event that the replica has, and each key keeps its order', async () => {
  const { topic, services, senders } = await start(clusterOf(servers), 5_000);
  await senders.stores(100);
  const { master, replica, keys, others } = await pickShard(servers, topic);
  const before = senders.storedSince();
  // Replication is asynchronous: what is stored after this, and before the replica takes over, may be lost.
  await hasReceived(master, replica);
  await master.kill();
  await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
  // Events that were in doubt have ended by then.
  await senders.storesOf(keys, 5);
  const untilThen = senders.storedSince();
  await senders.stores(100);
  await senders.end();
  const since = senders.storedSince(untilThen);
  for (const seen of services) {
    await seen.sees(before);
    await seen.sees(since);
    seen.expectOrder();
    for (const key of others) expect(seen.ofKey.get(key)).toEqual(senders.stored.get(key));
  }
  await master.restart();
  await whenReplicated(servers);
});
