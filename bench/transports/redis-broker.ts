import { execFileSync } from 'node:child_process';
import { findServer } from '../../scripts/install-redis.js';
import { startRedis } from '../../scripts/redis.js';
import type { Broker } from './bench-transport.js';

/** A private server that writes nothing to disk, for every transport that runs over Redis: it installs one if need be. */
export async function startRedisBroker(): Promise<Broker> {
  const redis = await startRedis({ args: ['--save', '', '--appendonly', 'no'] });
  return { url: redis.url, software: installedServer(), stop: () => redis.stop() };
}

function installedServer(): string {
  const answer = execFileSync(findServer() ?? 'redis-server', ['--version'], { encoding: 'utf8' });
  const [, product, version] = /^(\w+) server v=(\S+)/.exec(answer) ?? [];
  return product === undefined ? answer.trim() : `${product} ${version}`;
}
