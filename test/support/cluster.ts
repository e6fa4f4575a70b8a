import { Cluster, Redis, type ClusterOptions } from 'ioredis';
import { onTestFinished } from 'vitest';
import { startRedis, type PrivateRedis } from '../../scripts/redis.js';
import { Proxy } from './proxy.js';
import { closing, until } from './queue.js';

const SLOTS = 16_384;
const HOST = '127.0.0.1';

/**
 * Servers of a cluster. Each has one block of slots: clients fetch the list of all ranges, which is short then.
 */
async function startServers(masters: number): Promise<PrivateRedis[]> {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', HOST];
  const servers = await Promise.all(Array.from({ length: masters }, () => startRedis({ args })));
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const size = Math.ceil(SLOTS / masters);
  const [{ port } = { port: 0 }] = servers;
  for (const [place, server] of servers.entries()) {
    const admin = new Redis(server.url);
    await admin.call('CLUSTER', 'ADDSLOTS', ...slots.slice(place * size, (place + 1) * size));
    if (place > 0) await admin.call('CLUSTER', 'MEET', HOST, port);
    await admin.quit();
  }
  for (const server of servers) {
    const admin = new Redis(server.url);
    const info = async () => String(await admin.call('CLUSTER', 'INFO'));
    await until(async () => (await info()).includes('cluster_state:ok'));
    await admin.quit();
  }
  return servers;
}

function clientOf(port: number, options: ClusterOptions = {}): Cluster {
  // Dozens of connections begin at once here; on a busy machine a server needs more than the usual second for all of them.
  const cluster = new Cluster([{ host: HOST, port }], { slotsRefreshTimeout: 60_000, ...options });
  cluster.on('error', () => undefined);
  onTestFinished(() => {
    cluster.disconnect();
  });
  return cluster;
}

/** A cluster of so many masters. */
export async function startCluster(masters = 1): Promise<Cluster> {
  const [first] = await startServers(masters);
  return clientOf(Number(first?.port));
}

/** A cluster of so many masters, each behind a network of its own. */
export async function startUnreliableCluster(
  masters: number,
): Promise<{ cluster: Cluster; proxies: Proxy[] }> {
  const servers = await startServers(masters);
  const proxies = await Promise.all(servers.map((server) => Proxy.before(server.url)));
  for (const proxy of proxies) closing(proxy);
  const ports = proxies.map((proxy) => Number(new URL(proxy.url).port));
  const natMap = Object.fromEntries(
    servers.map((server, index) => [`${HOST}:${server.port}`, { host: HOST, port: Number(ports[index]) }]),
  );
  return { cluster: clientOf(Number(ports[0]), { natMap }), proxies };
}
