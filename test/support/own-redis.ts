import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { PrivateRedis } from '../../scripts/redis.js';
import { startTestRedis } from './test-redis.js';

export type { PrivateRedis };

/** A server of the test's own, for what would disturb other tests; it is stopped when the test is over. */
export async function ownRedis(...args: string[]): Promise<PrivateRedis> {
  const server = await startTestRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

/** As `ownRedis`, with every write on disk before it is answered. */
export function durableRedis(): Promise<PrivateRedis> {
  return ownRedis('--appendonly', 'yes', '--appendfsync', 'always');
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
