import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { PrivateRedis } from '../../scripts/redis.js';
import { until } from './queue.js';
import { startTestRedis } from './test-redis.js';

export type { PrivateRedis };

/** A server of the test's own, for what would disturb other tests; it is stopped when the test is over. */
export async function ownRedis(...args: string[]): Promise<PrivateRedis> {
  const server = await startTestRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

/** Starts a server as `ownRedis` does, with every write on disk before it is answered. */
export function durableRedis(): Promise<PrivateRedis> {
  return ownRedis('--appendonly', 'yes', '--appendfsync', 'always');
}

/**
 * Kills a durable server and starts it again. Redis cuts off a transaction that is not whole in the file, but may leave
 * its first commands there: with the next start it carries them out together with those that follow. So the file is
 * written anew.
 */
export async function restartDurable(server: PrivateRedis): Promise<void> {
  await server.restart();
  const admin = clientOf(server);
  await admin.bgrewriteaof();
  await until(async () =>
    /aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/.test(await admin.info('persistence')),
  );
}

/** A client of `server`, to look into it or to change it. */
export function clientOf({ adminUrl }: Pick<PrivateRedis, 'adminUrl'>): Redis {
  const client = new Redis(adminUrl);
  // Of a server that is down; the test knows.
  client.on('error', () => undefined);
  onTestFinished(() => {
    client.disconnect();
  });
  return client;
}
