import type { TestProject } from 'vitest/node';
import { startRedis } from '../../scripts/redis.js';

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string;
  }
}

/** One Redis for all tests that do nothing to the server itself; each of them has queues of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await startRedis();
  project.provide('redisUrl', redis.url);
  return () => redis.stop();
}
