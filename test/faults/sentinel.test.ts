import { expect, it } from 'vitest';
import { Load } from '../support/load.js';
import { startReplicated, startSentinels } from '../support/replicas.js';
import { clientOf } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';
import { mayRun } from '../support/test-redis.js';

it.skipIf(!mayRun('wait'))(
  'Sentinel: the master is killed under load, a replica takes over, and with minReplicas no event that was stored is lost',
  async () => {
    const { master } = await startReplicated(2);
    const sentinels = await startSentinels(master);
    const { username, password } = new URL(master.url);
    const redis = { sentinels, name: 'orders', ...(username && { username, password }) };
    const load = await Load.start({ queue: newQueueName(), redis, minReplicas: 1 });
    await load.stores(50);
    await load.isAnswered();

    await master.kill();
    const [{ host, port } = { host: '', port: 0 }] = sentinels;
    const sentinel = clientOf({ adminUrl: `redis://${host}:${String(port)}` });
    const masterPort = async () =>
      ((await sentinel.call('SENTINEL', 'get-master-addr-by-name', 'orders')) as string[])[1];
    await until(async () => (await masterPort()) !== String(master.port));
    await load.stores(50);
    await load.isAnswered();
    expect(await load.end()).toEqual([]);
  },
  120_000,
);
