import { Cluster, Redis, type ClusterOptions } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { PrivateRedis } from '../../scripts/redis.js';
import { Proxy } from './proxy.js';
import { closing, until } from './queue.js';
import { startTestRedis } from './test-redis.js';

const SLOTS = 16_384;
const HOST = '127.0.0.1';

/**
 * Servers of a cluster: masters, and for each of them as many replicas. Each master has one block of slots: clients fetch
 * the list of all ranges, which is short then.
 */
export async function startServers(masters: number, replicas = 0): Promise<PrivateRedis[]> {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', HOST, '--cluster-node-timeout', '2000'];
  const count = masters * (1 + replicas);
  const servers = await Promise.all(Array.from({ length: count }, () => startTestRedis({ args })));
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const size = Math.ceil(SLOTS / masters);
  const [{ port } = { port: 0 }] = servers;
  for (const [place, server] of servers.entries()) {
    const admin = new Redis(server.adminUrl);
    if (place < masters)
      await admin.call('CLUSTER', 'ADDSLOTS', ...slots.slice(place * size, (place + 1) * size));
    if (place > 0) await admin.call('CLUSTER', 'MEET', HOST, port);
    await admin.quit();
  }
  for (const server of servers) {
    const admin = new Redis(server.adminUrl);
    const info = async () => String(await admin.call('CLUSTER', 'INFO'));
    await until(async () => (await info()).includes('cluster_state:ok'));
    await admin.quit();
  }
  for (const [place, server] of servers.entries()) {
    if (place >= masters) await replicate(server, servers[place % masters] as PrivateRedis);
  }
  return servers;
}

async function replicate(server: PrivateRedis, master: PrivateRedis): Promise<void> {
  const [replica, source] = [new Redis(server.adminUrl), new Redis(master.adminUrl)];
  const id = await source.call('CLUSTER', 'MYID');
  // It may not have heard of the master yet.
  await until(() =>
    replica.call('CLUSTER', 'REPLICATE', String(id)).then(
      () => true,
      () => false,
    ),
  );
  await until(async () => /master_link_status:up/.test(await replica.info('replication')));
  await Promise.all([replica.quit(), source.quit()]);
}

/** @param urls of the servers that it may ask for the others */
function clientOf(urls: readonly string[], options: ClusterOptions = {}): Cluster {
  const { username, password } = new URL(urls[0] as string);
  const nodes = urls.map((url) => ({ host: HOST, port: Number(new URL(url).port) }));
  // Dozens of connections begin at once here; on a busy machine a server needs more than the usual second for all of them.
  const cluster = new Cluster(nodes, {
    slotsRefreshTimeout: 60_000,
    redisOptions: username ? { username, password } : {},
    ...options,
  });
  cluster.on('error', () => undefined);
  onTestFinished(() => {
    cluster.disconnect();
  });
  return cluster;
}

/** A client of the cluster that these servers are. */
export function clusterOf(servers: readonly PrivateRedis[]): Cluster {
  return clientOf(urlsOf(servers));
}

function urlsOf(servers: readonly { readonly url: string }[]): string[] {
  return servers.map(({ url }) => url);
}

/** A cluster of so many masters. */
export async function startCluster(masters: number): Promise<Cluster> {
  return clusterOf(await startServers(masters));
}

/** A cluster of three masters with a replica each. */
export async function startReplicatedCluster(): Promise<{ cluster: Cluster; servers: PrivateRedis[] }> {
  const servers = await startServers(3, 1);
  return { cluster: clusterOf(servers), servers };
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
  return { cluster: clientOf(urlsOf(proxies), { natMap }), proxies };
}
