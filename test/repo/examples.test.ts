import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type RedisServer } from '../../scripts/redis.js';
import { compileExamples, patternOf, readExamples, runExamples } from '../support/examples.js';

// Below the root, so that they find the packages.
const folder = fileURLToPath(new URL(`../../dist/examples-${randomUUID()}`, import.meta.url));
const all = readExamples();
let redis: RedisServer;
let problems: string;

beforeAll(async () => {
  // A database for each document: they use the same names of queues.
  redis = await startRedis({ args: ['--databases', String(all.length)] });
  problems = await compileExamples(all, folder);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await redis.stop();
});

it('the examples of the READMEs and of the guides compile', () => {
  expect(problems).toBe('');
});

describe.concurrent('the examples run, and write what is said there:', () => {
  it.each(all.map((examples, database) => ({ ...examples, database })))(
    '$document',
    async ({ database, ...examples }) => {
      const { output, ended } = await runExamples(examples, folder, `${redis.url}/${String(database)}`);
      expect(examples.outputs).not.toEqual([]);
      for (const lines of examples.outputs) expect(output).toMatch(patternOf(lines));
      expect(['code 0', 'SIGTERM'], output).toContain(ended);
    },
  );
});
