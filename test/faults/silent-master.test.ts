import { expect, it, onTestFinished } from 'vitest';
import { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { send } from '../../libs/elkmq/src/redis/scripts.js';
import { ClusterSlots } from '../../libs/elkmq/src/redis/cluster-slots.js';
import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import { clusterThrough, proxiesBefore, startServers } from '../support/cluster.js';
import type { Proxy } from '../support/proxy.js';
import { rejection, until } from '../support/queue.js';

const COMMAND_TIMEOUT_MS = 500;
const KEYS = Array.from({ length: 20 }, (_, n) => `key-${String(n)}`);

it('Cluster: a master that answers nothing costs its own connection, and not those to the others', async () => {
  const servers = await startServers(3);
  const proxies = await proxiesBefore(servers);
  const connection = new Connection(new RedisSource(clusterThrough(proxies, servers)), COMMAND_TIMEOUT_MS);
  onTestFinished(() => connection.closeConnection());
  await connection.whenConnected(60_000);
  const client = connection.client as Cluster;
  const read = (key: string) => send(client, 'exists', [key]);
  const portOf = (key: string) => ClusterSlots.of(client).masterOf(keySlot(key))?.node.options.port;
  const answers = (key: string) =>
    read(key).then(
      () => true,
      () => false,
    );
  // A connection to one server may still be on its way.
  for (const key of KEYS) await until(() => answers(key));
  const [lost = ''] = KEYS;
  const port = portOf(lost);
  const others = KEYS.filter((key) => portOf(key) !== port);
  expect(others.length).toBeGreaterThan(0);
  const states: string[] = [];
  for (const state of ['connecting', 'reconnecting', 'close', 'end'])
    client.on(state, () => void states.push(state));

  const proxy = proxies[servers.findIndex((server) => server.port === port)] as Proxy;
  proxy.swallow();
  // The second one meets a connection that is being made.
  for (let n = 0; n < 2; n++) {
    await rejection(read(lost));
    for (const key of others) expect(await read(key)).toBe(0);
  }
  proxy.pass();
  await until(() => answers(lost));
  expect(states).toEqual([]);
});
