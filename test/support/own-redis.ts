import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { startRedis, type PrivateRedis } from '../../scripts/redis.js';

export type { PrivateRedis };

/** A server of the test's own, for what would disturb other tests; it is stopped when the test is over. */
export async function ownRedis(...args: string[]): Promise<PrivateRedis> {
  const server = await startRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

/** As `ownRedis`, with every write on disk before it is answered. */
export function durableRedis(): Promise<PrivateRedis> {
  return ownRedis('--appendonly', 'yes', '--appendfsync', 'always');
}

/** A client of `server`, to look into it or to change it. */
export function clientOf({ url }: { readonly url: string }): Redis {
  const client = new Redis(url);
  // Of a server that is down; the test knows.
  client.on('error', () => undefined);
  onTestFinished(() => {
    client.disconnect();
  });
  return client;
}
