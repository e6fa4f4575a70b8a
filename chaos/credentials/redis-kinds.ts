import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type Cluster } from 'ioredis';
import { findServer, installServer } from '../../scripts/install-redis.js';
import { end, launch, releaseFolder } from '../../scripts/redis-process.js';
import { startRedisCluster } from '../../scripts/redis-cluster.js';
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

export function startServers(kind: Kind): Promise<Servers> {
  if (kind === 'single') return startSingle();
  return kind === 'sentinel' ? startSentinel() : startCluster();
}

async function startCluster(): Promise<Servers> {
  const cluster = await startRedisCluster(3);
  return {
    nodes: cluster.nodes,
    source: () => ({ redis: cluster.connect() }),
    stop: () => cluster.stop(),
  };
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
