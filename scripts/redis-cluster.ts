import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { startRedis, type PrivateRedis } from './redis.js';

/** The masters of a Redis Cluster that belongs to this process. */
export interface PrivateCluster {
  readonly nodes: readonly PrivateRedis[];
  /** A new client of the cluster. It connects when it is used. */
  connect(): Cluster;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
export const SLOTS = 16_384;

/** Starts masters without replicas. Each has one block of slots, and all blocks have the same size. */
export async function startRedisCluster(masters: number): Promise<PrivateCluster> {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', HOST];
  const nodes = await Promise.all(Array.from({ length: masters }, () => startRedis({ args })));
  const share = Math.ceil(SLOTS / masters);
  const [first] = nodes as [PrivateRedis];
  for (const [place, node] of nodes.entries()) {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
    await asAdmin(node, async (admin) => {
      await admin.call('CLUSTER', 'ADDSLOTS', ...slots.slice(place * share, (place + 1) * share));
      if (place > 0) await admin.call('CLUSTER', 'MEET', HOST, first.port);
    });
  }
  for (const node of nodes) {
    await asAdmin(node, async (admin) => {
      while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20);
    });
  }
  return {
    nodes,
    connect: () => new Cluster([{ host: HOST, port: first.port }], { lazyConnect: true }),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** Runs `use` with a connection that no password concerns. */
export async function asAdmin<T>({ url }: PrivateRedis, use: (admin: Redis) => Promise<T>): Promise<T> {
  const admin = new Redis(url);
  try {
    return await use(admin);
  } finally {
    admin.disconnect();
  }
}
