import { defineConfig } from 'vitest/config';

/** The test files of folders. */
const filesOf = (...folders: string[]): string[] => folders.map((folder) => `test/${folder}/*.test.ts`);

/** Files of one process share what they import: Nest takes longer to load than most tests to run. */
const isolate = false;

export default defineConfig({
  // Decorators as Nest has them, with the types of parameters; esbuild cannot emit those.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    globalSetup: ['test/support/global-redis.ts'],
    setupFiles: ['reflect-metadata'],
    pool: 'forks',
    // Most tests wait for Redis, not for a processor.
    maxWorkers: 8,
    // Guards against hanging only: no test fails because its machine is busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      // What the queue and the transport do. They start no processes, and `--project fast` takes about half a minute.
      {
        extends: true,
        test: { name: 'fast', include: filesOf('unit', 'wire', 'queue', 'nest', 'console'), isolate },
      },
      // What waits, kills processes, breaks connections, or starts a cluster.
      {
        extends: true,
        test: {
          name: 'slow',
          include: filesOf('recovery', 'faults', 'legacy', 'system', 'topics', 'partitions'),
          isolate,
        },
      },
      // Docs, examples, and Nest's own transports. These have a process for each file:
      // some replace what is global to a process.
      { extends: true, test: { name: 'repo', include: filesOf('repo', 'transports') } },
    ],
  },
});
