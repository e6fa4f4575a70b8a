import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type RedisServer } from '../../scripts/redis.js';
import { compileExamples, needsPostgres, patternOf, readExamples, runExamples } from '../support/examples.js';
import { hasPostgres, type Postgres, startPostgres } from '../support/postgres.js';

// Below the root, so that they find the packages.
const folder = fileURLToPath(new URL(`../../dist/examples-${randomUUID()}`, import.meta.url));
const all = readExamples();
const runnable = all.filter((examples) => hasPostgres || !needsPostgres(examples));
let redis: RedisServer;
let postgres: Postgres | undefined;
let problems: string;

beforeAll(async () => {
  // A database for each document: they use the same names of queues.
  redis = await startRedis({ args: ['--databases', String(all.length)] });
  if (hasPostgres) postgres = await startPostgres();
  problems = await compileExamples(all, folder);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await redis.stop();
  await postgres?.stop();
});

it('the examples of the READMEs and of the guides compile', () => {
  expect(problems).toBe('');
});

describe.concurrent('the examples run, and write what is said there:', () => {
  it.each(runnable.map((examples, database) => ({ ...examples, database })))(
    '$document',
    async ({ database, ...examples }) => {
      const servers = { redis: `${redis.url}/${String(database)}`, postgres: postgres?.url };
      const { output, ended } = await runExamples(examples, folder, servers);
      expect(examples.outputs).not.toEqual([]);
      for (const lines of examples.outputs) expect(output).toMatch(patternOf(lines));
      expect(['code 0', 'SIGTERM'], output).toContain(ended);
    },
  );
});
