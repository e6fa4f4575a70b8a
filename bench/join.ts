import { readFileSync } from 'node:fs';
import { runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { joinReports } from './joined-report.js';
import type { Report } from './report.js';

/** Joins files of `npm run bench -- --json FILE` into one, as if they were one longer run. */

const USAGE = 'npm run bench:join -- JOINED.json RUN.json RUN.json …';

function readReport(file: string): Report {
  let report: Partial<Report>;
  try {
    report = JSON.parse(readFileSync(file, 'utf8')) as Partial<Report>;
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${(error as Error).message}`);
  }
  if (report.requestReply === undefined)
    throw new UsageError(`${file} is no file of npm run bench -- --json FILE`);
  return report as Report;
}

function main(): Promise<boolean> {
  const [joined, ...runs] = process.argv.slice(2);
  if (joined === undefined || runs.length < 2) throw new UsageError(USAGE);
  writeJson(joined, joinReports(runs.map(readReport)));
  return Promise.resolve(true);
}

await runCommand(main);
