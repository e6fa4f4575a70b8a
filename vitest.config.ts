import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Decorators as Nest has them, with the types of parameters; esbuild cannot emit those.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    globalSetup: ['test/support/global-redis.ts'],
    setupFiles: ['reflect-metadata'],
    pool: 'forks',
    // Most tests wait for Redis, not for a processor.
    maxWorkers: 4,
    // Guards against hanging only: no test fails because its machine is busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      // Files of one process share what they import: Nest takes longer to load than most tests to run.
      { extends: true, test: { name: 'all', include: ['test/*/*.test.ts'], isolate: false } },
      // These replace Nest's logger, and the like.
      { extends: true, test: { name: 'transports', include: ['test/nest/transports/*.test.ts'] } },
    ],
  },
});
