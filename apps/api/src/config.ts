import type { LogLevel } from '@nestjs/common';

const { env } = process;

/** What the environment decides. */
export const config = {
  /** 0: the system chooses a free one. */
  port: Number(env['PORT'] ?? 3000),
  redisUrl: env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  /** The queue of requests to inspect a package, which the workers answer. */
  packagesQueue: env['PACKAGES_QUEUE'] ?? 'packages',
  /** The topic of events about packages that were inspected. */
  findingsTopic: env['FINDINGS_TOPIC'] ?? 'findings',
  /** Workers of the original ElkMQ, such as the one in examples/rust, take requests too. */
  legacyConsumers: env['LEGACY_CONSUMERS'] === '1',
  /** The folder with the package-lock.json. */
  projectRoot: env['PROJECT_ROOT'] ?? process.cwd(),
  logLevels: (env['LOG_LEVELS'] ?? 'log,warn,error,fatal').split(',') as LogLevel[],
};
