// Runs the tests many times, and tells which of them failed in any run.
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandLine, interruption, runCommand } from './command-line.js';
import { failuresOf, flakyTable, type Failure, type RunReport } from './flaky-report.js';
import { root } from './pack.js';

const USAGE = `Usage: npm run test:flaky -- [flags]

  --runs N         how often the tests are run (default 5)
  --project NAME   only tests of this project: fast, slow or repo; may be given more than once
  --files PATTERN  only test files whose path contains it; may be given more than once
  --load           beside two processes that keep two cores busy`;

const BUSY_PROCESSES = 2;

await runCommand(async () => {
  const commandLine = new CommandLine(
    process.argv.slice(2),
    {
      runs: { type: 'string', default: '5' },
      project: { type: 'string', multiple: true, default: [] },
      files: { type: 'string', multiple: true, default: [] },
      load: { type: 'boolean', default: false },
    },
    USAGE,
  );
  const { project, files, load } = commandLine.flags;
  const selection = [...project.map((name) => `--project=${name}`), ...files];
  const count = commandLine.wholeNumber('runs', commandLine.flags.runs, 1, 1_000);
  const interrupt = interruption();
  const folder = mkdtempSync(join(tmpdir(), 'elkmq-flaky-'));
  console.log(`Reports and output of the runs: ${folder}`);

  const busy = load ? keepBusy() : [];
  try {
    const runs: Failure[][] = [];
    while (runs.length < count) {
      const start = performance.now();
      const run = await runTests(join(folder, `run-${runs.length + 1}`), selection, interrupt);
      runs.push(run);
      const seconds = Math.round((performance.now() - start) / 1_000);
      console.log(`Run ${runs.length} of ${count}: ${run.length} failed, in ${seconds} s`);
    }
    console.log(`\n${flakyTable(runs)}`);
    return runs.every((run) => run.length === 0);
  } finally {
    for (const child of busy) child.disconnect();
  }
});

/** Starts processes that do nothing but work. They end with this process at the latest. */
function keepBusy(): ChildProcess[] {
  const program = fileURLToPath(new URL('busy-process.js', import.meta.url));
  const children = Array.from({ length: BUSY_PROCESSES }, () => fork(program));
  console.log(`Busy processes beside the tests: ${children.map(({ pid }) => pid).join(', ')}`);
  return children;
}

/**
 * Runs the tests once.
 * @param place of its report (.json) and its output (.txt)
 * @param selection which tests, as arguments of Vitest
 */
async function runTests(
  place: string,
  selection: readonly string[],
  interrupt: AbortSignal,
): Promise<Failure[]> {
  interrupt.throwIfAborted();
  const output = openSync(`${place}.txt`, 'w');
  const args = [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${place}.json`,
    ...selection,
  ];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const stop = () => child.kill();
  interrupt.addEventListener('abort', stop);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  interrupt.removeEventListener('abort', stop);
  interrupt.throwIfAborted();

  const failures = existsSync(`${place}.json`)
    ? failuresOf(JSON.parse(readFileSync(`${place}.json`, 'utf8')) as RunReport, root)
    : [];
  if (code === 0 || failures.length > 0) return failures;
  // What no test is blamed for: an unhandled rejection, no test at all, an error in the configuration.
  return [{ test: 'the run itself', reason: `ended with ${signal ?? `code ${code}`}; see ${place}.txt` }];
}
