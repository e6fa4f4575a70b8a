import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failuresOf, flakyTable, type RunReport } from '../../scripts/flaky-report.js';
import { until } from '../support/queue.js';

const program = fileURLToPath(new URL('../../dist/tools/scripts/test-flaky.js', import.meta.url));

/** The script, which runs no test: no file has such a name. */
function startScript(...args: string[]) {
  const child = spawn(process.execPath, [program, '--runs', '1', '--files', 'no-such-file', ...args]);
  const run = { child, output: '', code: undefined as number | null | undefined };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (run.output += String(text)));
  }
  child.once('close', (code) => (run.code = code));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    const folder = /output of the runs: (.+)/.exec(run.output)?.[1];
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  return run;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the script that looks for flaky tests', () => {
  it('shows each test that failed in any run, how often, and the first line of its first failure', () => {
    const test = (title: string, ...failureMessages: string[]) => ({
      ancestorTitles: ['a queue'],
      title,
      status: failureMessages.length > 0 ? 'failed' : 'passed',
      failureMessages,
    });
    const report = (...assertionResults: ReturnType<typeof test>[]): RunReport => ({
      testResults: [
        { name: '/repo/test/a.test.ts', status: 'failed', message: '', assertionResults },
        { name: '/repo/test/b.test.ts', status: 'passed', message: '', assertionResults: [test('is fine')] },
      ],
    });
    const broken = {
      name: '/repo/test/c.test.ts',
      status: 'failed',
      message: 'no module\nx',
      assertionResults: [],
    };
    const runs = [
      report(test('works', 'Error: late\n    at x'), test('closes')),
      report(test('works', 'Error: later'), test('closes', 'Error: open\n    at y')),
      { testResults: [broken] },
    ];
    expect(flakyTable(runs.map((run) => failuresOf(run, '/repo'))).split('\n')).toEqual([
      'failed in  test, and the first failure',
      '2 of 3    test/a.test.ts > a queue > works',
      '          Error: late',
      '1 of 3    test/a.test.ts > a queue > closes',
      '          Error: open',
      '1 of 3    test/c.test.ts',
      '          no module',
    ]);
    expect(flakyTable([[], []])).toBe('No test failed in 2 run(s).');
  });

  it('fails when a run fails that no test is blamed for', async () => {
    const run = startScript();
    await until(() => run.code !== undefined);
    expect(run.output).toMatch(/^1 of 1 +the run itself\n +ended with code 1; see .*run-1\.txt$/m);
    expect(run.code).toBe(1);
  });

  it('takes the processes that keep the cores busy with it, also when it is killed', async () => {
    const run = startScript('--load');
    const busy = () =>
      /^Busy processes beside the tests: (\d+), (\d+)$/m.exec(run.output)?.slice(1).map(Number);
    await until(() => busy() !== undefined);
    expect(busy()?.filter(isAlive)).toHaveLength(2);
    run.child.kill('SIGKILL');
    await until(() => busy()?.every((pid) => !isAlive(pid)) === true);
  });

  it('refuses a flag that cannot be followed', async () => {
    const run = startScript('--runs', 'many');
    await until(() => run.code !== undefined);
    expect(run.output).toContain('--runs "many"');
    expect(run.code).toBe(2);
  });
});
