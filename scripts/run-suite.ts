import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { failuresOf, type RunReport } from './flaky-report.js';
import { countsOf, type SuiteRow } from './suite-table.js';

/** Where servers and Nodes of other versions are kept between runs. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'elkmq');

export interface Surroundings {
  /** A folder with Vitest and tests. */
  readonly cwd: string;
  /** A folder with programs that are found before all others, or several such as PATH has them. */
  readonly programs?: string | undefined;
  readonly env?: Record<string, string>;
}

/**
 * Runs tests, tells on stderr what fails, and counts.
 * @param selection which tests, as arguments of Vitest: paths or parts of them, `--project=…`. None: all
 */
export function runSuite(
  name: string,
  selection: readonly string[],
  { cwd, programs, env }: Surroundings,
): SuiteRow {
  console.log(`\n${name}`);
  const reports = mkdtempSync(join(tmpdir(), 'elkmq-suite-'));
  const file = join(reports, 'report.json');
  const path = process.env['PATH'] ?? '';
  const start = performance.now();
  const args = [
    'run',
    '--silent',
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...selection,
  ];
  // Started by its path: npx may bring a Node of its own.
  spawnSync('node', [join(cwd, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env, PATH: programs === undefined ? path : programs + delimiter + path },
  });
  const seconds = (performance.now() - start) / 1_000;
  try {
    if (!existsSync(file)) return { name, passed: 0, failed: 1, skipped: 0, seconds };
    const report = JSON.parse(readFileSync(file, 'utf8')) as RunReport;
    for (const failure of failuresOf(report, cwd)) console.error(`${failure.test}\n  ${failure.reason}`);
    return { name, ...countsOf(report), seconds };
  } finally {
    rmSync(reports, { recursive: true });
  }
}
