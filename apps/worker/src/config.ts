import type { LogLevel } from '@nestjs/common';

const { env } = process;

/** What the environment decides. */
export const config = {
  redisUrl: env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  /** The queue of requests to inspect a package. */
  packagesQueue: env['PACKAGES_QUEUE'] ?? 'packages',
  /** The folder whose `node_modules` are inspected. */
  projectRoot: env['PROJECT_ROOT'] ?? process.cwd(),
  /** Workers of the original ElkMQ, such as the one in examples/rust, take requests too. */
  legacyConsumers: env['LEGACY_CONSUMERS'] === '1',
  /** Who answers, in every finding. */
  workerName: env['WORKER_NAME'] ?? `worker-${process.pid}`,
  logLevels: (env['LOG_LEVELS'] ?? 'log,warn,error,fatal').split(',') as LogLevel[],
};
