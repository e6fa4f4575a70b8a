import { expect, it } from 'vitest';
import { startReplicatedCluster } from '../support/cluster.js';
import { Load } from '../support/load.js';
import { clientOf } from '../support/own-redis.js';
import { hasReceived } from '../support/replicas.js';
import { newQueueName, until } from '../support/queue.js';

it('Cluster: the master of a queue is killed under load, its replica takes over, and what the replica had is handled', async () => {
  const { cluster, servers } = await startReplicatedCluster();
  const queue = newQueueName();
  const load = await Load.start({ queue, redis: cluster });
  await load.stores(50);

  const key = `{${queue}}(event_stream)`;
  const isThere = async (server: (typeof servers)[number]) => {
    const keys = (await clientOf(server).keys('*')).includes(key);
    return keys && /role:master/.test(await clientOf(server).info('replication'));
  };
  const owners = await Promise.all(servers.slice(0, 3).map(isThere));
  const place = owners.indexOf(true);
  const [master, replica] = [servers[place], servers[place + 3]] as [
    (typeof servers)[0],
    (typeof servers)[0],
  ];
  const before = [...load.stored];
  // Replication is asynchronous, and a Cluster client cannot wait for it: what is stored last may be lost.
  await hasReceived(master, replica);
  await master.kill();

  await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
  // Events that were in doubt have ended by then.
  await load.isAnswered();
  const since = load.stored.length;
  await load.stores(50);
  expect(await load.end([...before, ...load.stored.slice(since)])).toEqual([]);
});
