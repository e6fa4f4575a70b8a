import { expect, it } from 'vitest';
import { Load } from '../support/load.js';
import { failOver, startReplicated, startSentinels } from '../support/replicas.js';
import { newQueueName } from '../support/queue.js';
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

    await failOver(master, sentinels);
    await load.stores(50);
    await load.isAnswered();
    expect(await load.end()).toEqual([]);
  },
  120_000,
);
