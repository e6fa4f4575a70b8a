import { isAbsolute, relative } from 'node:path';

/** The part of Vitest's JSON report that tells what failed. */
export interface RunReport {
  readonly testResults: readonly {
    /** The path of the file. */
    readonly name: string;
    readonly status: string;
    /** Why the file could not be run. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** A test that failed in one run, or a file that could not be run. */
export interface Failure {
  readonly test: string;
  /** The first line of the failure. */
  readonly reason: string;
}

/**
 * The failures of a run.
 * @param root the folder that paths are shown relative to
 */
export function failuresOf(report: RunReport, root: string): Failure[] {
  return report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = isAbsolute(name) ? relative(root, name) : name;
    const failures = assertionResults
      .filter((result) => result.status === 'failed')
      .map(({ ancestorTitles, title, failureMessages }) => ({
        test: [file, ...ancestorTitles, title].join(' > '),
        reason: firstLine(failureMessages[0]),
      }));
    const isFileBroken = status === 'failed' && failures.length === 0;
    return isFileBroken ? [{ test: file, reason: firstLine(message) }] : failures;
  });
}

/** A table of the tests that failed in any run: the most frequent first, each with the reason of its first failure. */
export function flakyTable(runs: readonly (readonly Failure[])[]): string {
  const found = new Map<string, { count: number; reason: string }>();
  for (const run of runs) {
    const reasons = new Map(run.toReversed().map(({ test, reason }) => [test, reason]));
    for (const [test, reason] of reasons) {
      const { count, reason: first } = found.get(test) ?? { count: 0, reason };
      found.set(test, { count: count + 1, reason: first });
    }
  }
  if (found.size === 0) return `No test failed in ${runs.length} run(s).`;
  const rows = [...found]
    .sort(([one, { count }], [other, { count: more }]) => more - count || one.localeCompare(other))
    .map(([test, { count, reason }]) => {
      const often = `${count} of ${runs.length}`;
      return `${often.padEnd(10)}${test}\n${' '.repeat(10)}${reason}`;
    });
  return ['failed in  test, and the first failure', ...rows].join('\n');
}

function firstLine(text = ''): string {
  return text.trim().split('\n')[0] || 'no reason was given';
}
