import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { findServer, installServer } from '../../scripts/install-redis.js';
import { end, launch, releaseFolder } from '../../scripts/redis-process.js';
import { onFreePort, startRedis, type PrivateRedis } from '../../scripts/redis.js';

export const KINDS = ['single', 'sentinel', 'cluster'] as const;
export type Kind = (typeof KINDS)[number];

/** Servers of one kind of Redis, and how a client says where they are. */
export interface Servers {
  readonly nodes: readonly PrivateRedis[];
  /** A new one for each client. */
  readonly source: () => { redis: Redis | Cluster } | { url: string };
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const SLOTS = 16_384;

export function startServers(kind: Kind): Promise<Servers> {
  if (kind === 'single') return startSingle();
  return kind === 'sentinel' ? startSentinel() : startCluster(3);
}

async function startSingle(): Promise<Servers> {
  const server = await startRedis();
  return { nodes: [server], source: () => ({ url: server.url }), stop: () => server.stop() };
}

/** A master, a replica, and one Sentinel that tells where the master is. */
async function startSentinel(): Promise<Servers> {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', HOST, String(master.port)] });
  const dir = await mkdtemp(join(tmpdir(), 'elkmq-sentinel-'));
  const config = join(dir, 'sentinel.conf');
  const binary = findServer() ?? installServer();
  const sentinel = await onFreePort(async (port) => {
    // It writes its own state into that file.
    await writeFile(
      config,
      `port ${port}\nbind ${HOST}\ndir ${dir}\nsentinel monitor queue ${HOST} ${master.port} 1\n`,
    );
    return launch([binary, config, '--sentinel'], port, dir, true);
  });
  const stopAll = async (): Promise<void> => {
    await end(sentinel.child, 'SIGTERM');
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    releaseFolder(sentinel);
    await Promise.all([master.stop(), replica.stop()]);
  };
  return {
    nodes: [master, replica],
    source: () => ({
      redis: new Redis({
        sentinels: [{ host: HOST, port: sentinel.port }],
        name: 'queue',
        lazyConnect: true,
      }),
    }),
    stop: stopAll,
  };
}

async function startCluster(masters: number): Promise<Servers> {
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
    source: () => ({ redis: new Cluster([{ host: HOST, port: first.port }], { lazyConnect: true }) }),
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
