import { randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tmpdir } from 'node:os';
import { findServer } from '../../scripts/install-redis.js';
import { onFreePort } from '../../scripts/redis.js';
import { end, launch, releaseFolder } from '../../scripts/redis-process.js';
import { clientOf, ownRedis, type PrivateRedis } from './own-redis.js';
import { until } from './queue.js';

/** The replica has all that was written before. WAIT alone would count one that still loads what was there before it came. */
export async function caughtUp(master: PrivateRedis, replica: PrivateRedis): Promise<void> {
  const mark = randomUUID();
  await clientOf(master).set('mark', mark);
  const copy = clientOf(replica);
  await until(async () => (await copy.get('mark')) === mark);
}

/** The replica has all that the master has written until now. */
export async function hasReceived(master: PrivateRedis, replica: PrivateRedis): Promise<void> {
  const offset = async (server: PrivateRedis, name: string): Promise<number> =>
    Number(new RegExp(`${name}:(\\d+)`).exec(await clientOf(server).info('replication'))?.[1]);
  const written = await offset(master, 'master_repl_offset');
  await until(async () => (await offset(replica, 'slave_repl_offset')) >= written);
}

/** A server with replicas that are up to date. */
export async function startReplicated(
  replicas: number,
): Promise<{ master: PrivateRedis; replicas: PrivateRedis[] }> {
  // Without a pause for more replicas, which would cost the test seconds.
  const master = await ownRedis('--repl-diskless-sync-delay', '0', '--hz', '100');
  const all = await Promise.all(
    Array.from({ length: replicas }, () => ownRedis('--replicaof', '127.0.0.1', String(master.port))),
  );
  for (const replica of all) await caughtUp(master, replica);
  return { master, replicas: all };
}

/** Sentinels that watch a master by the name `orders`, and notice after a second that it has gone. */
export async function startSentinels(
  master: PrivateRedis,
  count = 3,
): Promise<{ host: string; port: number }[]> {
  const ports = await Promise.all(Array.from({ length: count }, () => startSentinel(master)));
  // Each must know the others, to agree with them.
  for (const port of ports) {
    const sentinel = clientOf({ adminUrl: `redis://127.0.0.1:${String(port)}` });
    await until(
      async () =>
        ((await sentinel.call('SENTINEL', 'sentinels', 'orders')) as unknown[]).length === count - 1,
    );
    await until(
      async () => ((await sentinel.call('SENTINEL', 'replicas', 'orders')) as unknown[]).length > 0,
    );
  }
  return ports.map((port) => ({ host: '127.0.0.1', port }));
}

/** Kills a master, and waits until Sentinel has made a replica the master. */
export async function failOver(
  master: PrivateRedis,
  [sentinel]: readonly { host: string; port: number }[],
): Promise<void> {
  await master.kill();
  const client = clientOf({ adminUrl: `redis://${String(sentinel?.host)}:${String(sentinel?.port)}` });
  const masterPort = async () =>
    ((await client.call('SENTINEL', 'get-master-addr-by-name', 'orders')) as string[])[1];
  await until(async () => (await masterPort()) !== String(master.port));
}

async function startSentinel(master: PrivateRedis): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'elkmq-sentinel-'));
  const file = join(dir, 'sentinel.conf');
  const running = await onFreePort(async (port) => {
    await writeFile(
      file,
      `port ${String(port)}
bind 127.0.0.1
dir ${dir}
sentinel monitor orders 127.0.0.1 ${String(master.port)} 2
sentinel down-after-milliseconds orders 1000
sentinel failover-timeout orders 10000
`,
    );
    return launch([String(findServer()), file, '--sentinel'], port, dir, true);
  });
  onTestFinished(async () => {
    await end(running.child, 'SIGTERM');
    releaseFolder(running);
  });
  return running.port;
}
