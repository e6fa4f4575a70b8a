import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Decorators as Nest has them, with the types of parameters; esbuild cannot emit those.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-redis.ts'],
    setupFiles: ['reflect-metadata'],
    pool: 'forks',
    // Most tests wait for Redis, not for a processor.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
