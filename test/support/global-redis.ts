import { Redis } from 'ioredis';
import type { TestProject } from 'vitest/node';
import { startTestRedis } from './test-redis.js';

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string;
    adminUrl: string;
    redisMajor: number;
  }
}

/** One Redis for all tests that do nothing to the server itself; each of them has queues of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await startTestRedis();
  project.provide('redisUrl', redis.url);
  project.provide('adminUrl', redis.adminUrl);
  const admin = new Redis(redis.adminUrl);
  project.provide('redisMajor', Number(/redis_version:(\d+)/.exec(await admin.info('server'))?.[1]));
  admin.disconnect();
  return () => redis.stop();
}
