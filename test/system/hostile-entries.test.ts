import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { Report } from '../../chaos/hostile/report.js';

const program = fileURLToPath(new URL('../../dist/tools/chaos/hostile/run.js', import.meta.url));
const hostile = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args]);

it('hostile entries harm nobody: good messages are handled, and no key of others is touched', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-hostile-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'report.json');
  // Its exit code tells of a violation as well; the report says which.
  const { stdout } = await hostile('--entries', '2000', '--json', file).catch(
    (error: unknown) => error as Said,
  );
  expect(stdout).toContain('Nothing was violated');

  const { entries, kinds, good, violations } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(violations).toEqual([]);
  expect(kinds.reduce((sum, { written }) => sum + written, 0)).toBe(entries);
  expect(kinds.length).toBeGreaterThan(35);
  expect(good.requests).toBeGreaterThan(100);
  expect([good.answered, good.handled]).toEqual([good.requests, good.events]);
});

it('a flag that cannot be followed is refused', async () => {
  const refusal = await hostile('--entries', 'many').catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: 2, stderr: expect.stringContaining('--entries "many"') as string });
});

interface Said {
  stdout: string;
}
