import type { Cluster } from 'ioredis';
import { expect, it } from 'vitest';
import { reviveWhenStuck } from '../../libs/elkmq/src/redis/cluster-revival.js';
import { startCluster } from '../support/cluster.js';
import { until } from '../support/queue.js';

const IDLE_MS = 2_000;

/** Whether the client reaches its Cluster. */
async function works(client: Cluster): Promise<boolean> {
  return client.get('key').then(
    () => true,
    () => false,
  );
}

/** A client that fails at once when it has no connection, as those of this package. */
async function startClient(): Promise<Cluster> {
  const template = await startCluster(3);
  const client = template.duplicate([], { ...template.options, enableOfflineQueue: false });
  client.on('error', () => undefined);
  await until(() => works(client));
  return client;
}

it.each(['connecting', 'connect', 'reconnecting'])(
  'a Cluster client that stays in the state %s begins anew, and works again',
  async (state) => {
    const client = await startClient();
    reviveWhenStuck(client, () => true, IDLE_MS);
    // ioredis sets its state in this way, and does nothing more.
    (client as unknown as { setStatus(state: string): void }).setStatus(state);
    expect(await works(client)).toBe(false);
    await until(() => works(client));
    client.disconnect();
  },
);

it('a Cluster client that is not wanted any more stays as it is', async () => {
  const client = await startClient();
  let isAsked = false;
  const isWanted = () => {
    isAsked = true;
    return false;
  };
  reviveWhenStuck(client, isWanted, 0);
  (client as unknown as { setStatus(state: string): void }).setStatus('connecting');
  await until(() => isAsked);
  expect(client.status).toBe('connecting');
  client.disconnect();
});
