import { connect, type Socket } from 'node:net';
import keySlot from 'cluster-key-slot';
import { AbstractConnector, Cluster, type ClusterOptions, type Redis, type RedisOptions } from 'ioredis';
import { onTestFinished } from 'vitest';
import {
  asAdmin,
  CLUSTER_ARGS,
  CLUSTER_HOST,
  formCluster,
  joinCluster,
} from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { Proxy } from './proxy.js';
import { closing, until } from './queue.js';
import { startTestRedis } from './test-redis.js';

/** The time after which a connection that is closed is destroyed, ms: the default of ioredis. */
const DISCONNECT_TIMEOUT_MS = 2_000;
const SERVER_ARGS = [
  ...CLUSTER_ARGS,
  ...['--cluster-node-timeout', '2000'],
  // A busy machine can miss several elections. By default a replica gives up after half a minute.
  ...['--cluster-replica-validity-factor', '0'],
];

/**
 * Servers of a cluster: masters, and for each of them as many replicas. Each master has one block of slots: clients fetch
 * the list of all ranges, which is short then. They are stopped when the test is over.
 */
export async function startServers(
  masters: number,
  replicas = 0,
  ...args: string[]
): Promise<PrivateRedis[]> {
  const servers = await launchServers(masters, replicas, args);
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  return servers;
}

/** Starts servers of a cluster, as `startServers` does. Whoever calls this stops them. */
export async function launchServers(
  masters: number,
  replicas: number,
  args: readonly string[] = [],
): Promise<PrivateRedis[]> {
  const count = masters * (1 + replicas);
  const servers = await Promise.all(
    Array.from({ length: count }, () => startTestRedis({ args: [...SERVER_ARGS, ...args] })),
  );
  await formCluster(servers, masters);
  return servers;
}

/** Slots with their servers, the master first. */
type SlotRange = [from: number, to: number, ...owners: [host: string, port: number][]];

function slotRanges(admin: Redis): Promise<SlotRange[]> {
  return admin.call('CLUSTER', 'SLOTS') as Promise<SlotRange[]>;
}

/** The servers that have the slot of a key, as the first server that answers knows it. */
export async function shardOf(
  servers: readonly PrivateRedis[],
  key: string,
): Promise<{ master: PrivateRedis; replica: PrivateRedis | undefined }> {
  const slot = keySlot(key);
  const ranges = await Promise.any(servers.map((server) => asAdmin(server, slotRanges)));
  const [, , ...owners] = ranges.find(([from, to]) => slot >= from && slot <= to) as SlotRange;
  const [master, replica] = owners.map(([, port]) => servers.find((server) => server.port === port));
  return { master: master as PrivateRedis, replica };
}

/**
 * Resolves when each server is a master or a replica that is connected to its master, and all take each other as healthy
 * and know the replica of each master.
 */
export async function whenReplicated(servers: readonly PrivateRedis[]): Promise<void> {
  for (const server of servers) {
    await asAdmin(server, async (admin) => {
      await until(async () =>
        /connected_slaves:1|master_link_status:up/.test(await admin.info('replication')),
      );
      await until(async () => !/,fail\?? /.test(String(await admin.call('CLUSTER', 'NODES'))));
      await until(async () => (await slotRanges(admin)).every(([, , , replica]) => replica !== undefined));
    });
  }
}

/** Starts a server that joins the cluster of another one. It is a master without slots. */
export async function joinServer(member: PrivateRedis): Promise<PrivateRedis> {
  const server = await startTestRedis({ args: SERVER_ARGS });
  onTestFinished(() => server.stop());
  await joinCluster(server, member);
  return server;
}

/** @param urls of the servers that it may ask for the others */
function clientOf(
  urls: readonly string[],
  options: ClusterOptions = {},
  redisOptions: RedisOptions = {},
): Cluster {
  const { username, password } = new URL(urls[0] as string);
  const nodes = urls.map((url) => ({ host: CLUSTER_HOST, port: Number(new URL(url).port) }));
  // Dozens of connections begin at once here; on a busy machine a server needs more than the usual second for all of them.
  const cluster = new Cluster(nodes, {
    slotsRefreshTimeout: 60_000,
    redisOptions: { ...redisOptions, ...(username && { username, password }) },
    ...options,
  });
  cluster.on('error', () => undefined);
  onTestFinished(() => {
    cluster.disconnect();
  });
  return cluster;
}

/** A client of the cluster that these servers are. */
export function clusterOf(servers: readonly Pick<PrivateRedis, 'url'>[]): Cluster {
  return clientOf(urlsOf(servers));
}

function urlsOf(servers: readonly Pick<PrivateRedis, 'url'>[]): string[] {
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

/** A network before each server. */
export async function proxiesBefore(servers: readonly PrivateRedis[]): Promise<Proxy[]> {
  const proxies = await Promise.all(servers.map((server) => Proxy.before(server.url)));
  for (const proxy of proxies) closing(proxy);
  return proxies;
}

/** A client of a cluster whose servers are behind these networks. */
export function clusterBehind(
  proxies: readonly Proxy[],
  servers: readonly Pick<PrivateRedis, 'port'>[],
): Cluster {
  const ports = proxies.map((proxy) => Number(new URL(proxy.url).port));
  const natMap = Object.fromEntries(
    servers.map((server, index) => [
      `${CLUSTER_HOST}:${server.port}`,
      { host: CLUSTER_HOST, port: Number(ports[index]) },
    ]),
  );
  return clientOf(urlsOf(proxies), { natMap });
}

/**
 * A client as that of `clusterBehind`, which knows the servers by their own addresses. With a `natMap` an answer MOVED
 * leads ioredis to any server, also to one that is cut off, until it has fetched the list of all slots.
 */
export function clusterThrough(
  proxies: readonly Proxy[],
  servers: readonly PrivateRedis[],
  options: ClusterOptions = {},
): Cluster {
  const ports = new Map(
    servers.map(({ port }, index) => [port, Number(new URL(String(proxies[index]?.url)).port)]),
  );
  class ProxyConnector extends AbstractConnector {
    readonly #port: number;

    constructor(given: unknown) {
      super(DISCONNECT_TIMEOUT_MS);
      const { port } = given as { port: number };
      this.#port = ports.get(port) ?? port;
    }

    override connect(): Promise<Socket> {
      this.stream = connect(this.#port, CLUSTER_HOST);
      return Promise.resolve(this.stream);
    }
  }
  return clientOf(urlsOf(servers), options, { Connector: ProxyConnector });
}

/** A cluster of so many masters, each behind a network of its own. */
export async function startUnreliableCluster(
  masters: number,
): Promise<{ cluster: Cluster; proxies: Proxy[]; servers: PrivateRedis[] }> {
  const servers = await startServers(masters);
  const proxies = await proxiesBefore(servers);
  return { cluster: clusterBehind(proxies, servers), proxies, servers };
}
