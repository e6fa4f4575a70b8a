import { ElkMqRecordBuilder, QueueAdmin } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { keysOfPartitions } from '../../libs/elkmq/src/admin/partition-number.js';
import { partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { clusterOf, clusterThrough, proxiesBefore, startServers } from '../support/cluster.js';
import { startClient } from '../support/nest.js';
import { clientOf } from '../support/own-redis.js';
import { PARTITIONS, pickShard, setFullCoverage } from '../support/partition-load.js';
import { closing, newQueueName, until } from '../support/queue.js';
import type { Proxy } from '../support/proxy.js';
import { startWorker } from '../support/workers.js';

/** The packets of a worker that has been without the master for a while. */
const PACKETS = 250;
/**
 * The first sessions of both readers, and those of reads that broke with the connection. With a session for each try
 * there would be more.
 */
const MOST_SESSIONS = 8;

it.each([
  ['by blocking reads', false],
  ['by a script, since the queue has limits', true],
])('Cluster: a worker that cannot reach a master, %s, begins no session in vain', async (_how, isLimited) => {
  const servers = await startServers(3);
  await setFullCoverage(servers, 'no');
  const proxies = await proxiesBefore(servers);
  const queue = newQueueName();
  const seen: unknown[] = [];
  const note = (n: unknown): Promise<void> => {
    seen.push(n);
    return Promise.resolve();
  };
  const address = { queue, partitions: PARTITIONS };
  const redis = clusterOf(servers);
  if (isLimited)
    await closing(new QueueAdmin(queue, redis, { partitions: PARTITIONS })).setLimits({ concurrency: 100 });
  await startWorker({ ...address, redis: clusterThrough(proxies, servers) }, { 'note.event': note });
  const client = startClient({ ...address, redis });
  const { master, keys } = await pickShard(servers, queue);
  const key = String(keys[0]);
  const emit = (n: number) =>
    lastValueFrom(client.emit('note.event', new ElkMqRecordBuilder(n).setOrderingKey(key).build()), {
      defaultValue: undefined,
    });
  await emit(1);
  await until(() => seen.length === 1);

  const proxy = proxies[servers.indexOf(master)] as Proxy;
  await master.kill();
  const before = proxy.requests;
  await until(() => proxy.requests >= before + PACKETS);
  await master.restart();
  await emit(2);
  await until(() => seen.length === 2);
  const all = keysOfPartitions(queue, true, PARTITIONS);
  const { eventStream } = all[partitionOf(key, PARTITIONS)] as (typeof all)[number];
  expect(Math.max(...(await sessionsOf(master, eventStream)))).toBeLessThanOrEqual(MOST_SESSIONS);
});

/** The numbers of the sessions that are in the group. */
async function sessionsOf(server: PrivateRedis, stream: string): Promise<number[]> {
  const consumers = (await clientOf(server).xinfo('CONSUMERS', stream, 'elkmq')) as string[][];
  return consumers.map(([, name = '']) => Number(/\.(\d+)\.\d+$/.exec(name)?.[1]));
}
