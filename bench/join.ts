import { readFileSync } from 'node:fs';
import { runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { joinReports } from './joined-report.js';
import type { Report } from './report.js';

/** Joins files of `npm run bench -- --json FILE` into one, as if they were one longer run. */

const USAGE = 'npm run bench:join -- JOINED.json RUN.json RUN.json …';

function main(): Promise<boolean> {
  const [joined, ...runs] = process.argv.slice(2);
  if (joined === undefined || runs.length < 2) throw new UsageError(USAGE);
  const reports = runs.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  writeJson(joined, joinReports(reports));
  return Promise.resolve(true);
}

await runCommand(main);
