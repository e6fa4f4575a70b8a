import type { RunReport } from './flaky-report.js';

/** The result of one run of the tests, or the reason why there was none. */
export type SuiteRow =
  | {
      readonly name: string;
      readonly passed: number;
      readonly failed: number;
      readonly skipped: number;
      readonly seconds: number;
    }
  | { readonly name: string; readonly missing: string };

/** Counts the tests of a report. A file that could not be run counts as a failure. */
export function countsOf(report: RunReport): { passed: number; failed: number; skipped: number } {
  const all = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (...statuses: string[]): number =>
    all.filter(({ status }) => statuses.includes(status)).length;
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: count('passed'),
    failed: count('failed') + broken.length,
    skipped: count('skipped', 'pending', 'todo'),
  };
}

/** Returns a table in Markdown. */
export function suiteTable(what: string, rows: readonly SuiteRow[]): string {
  const lines = rows.map((row) =>
    'missing' in row
      ? `| ${row.name} | cannot be had: ${row.missing} | | | |`
      : `| ${row.name} | ${row.passed} | ${row.failed} | ${row.skipped} | ${Math.round(row.seconds / 60)} min |`,
  );
  return [`| ${what} | passed | failed | skipped | time |`, '| --- | --- | --- | --- | --- |', ...lines].join(
    '\n',
  );
}

/** Whether something was tested, and nothing of it failed. */
export function isGreen(rows: readonly SuiteRow[]): boolean {
  const tested = rows.filter((row) => 'passed' in row);
  return (
    tested.some(({ passed }) => passed > 0) &&
    tested.every(({ passed, failed }) => passed > 0 && failed === 0)
  );
}
