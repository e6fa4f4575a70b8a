import { readFileSync } from 'node:fs';
import { runCommand, UsageError } from '../scripts/command-line.js';
import type { Report } from './report.js';
import { median } from './statistics.js';

/** Compares two files of `npm run bench -- --json FILE`, and prints what differs by more than the noise. */

const USAGE = 'npm run bench:compare -- BEFORE.json AFTER.json';

/** Less than this is never worth a line, however steady the rounds were. */
const LEAST = 0.03;

/** The rounds of every figure, by its name. */
function figuresOf(file: string): Map<string, number[]> {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  const figures = new Map<string, number[]>();
  for (const { title, levels, emit } of report.requestReply) {
    for (const { inFlight, rounds, p50RoundsMs, cpuRoundsUs } of levels) {
      figures.set(`${title}, ${inFlight} in flight: req/s`, rounds);
      figures.set(`${title}, ${inFlight} in flight: p50 ms`, p50RoundsMs);
      if (cpuRoundsUs !== undefined) figures.set(`${title}, ${inFlight} in flight: CPU µs`, cpuRoundsUs);
    }
    if (emit === undefined) continue;
    figures.set(`${title}, emit: events/s`, emit.rounds);
    if (emit.cpuRoundsUs !== undefined) figures.set(`${title}, emit: CPU µs`, emit.cpuRoundsUs);
  }
  return figures;
}

/** How far the rounds lie from their median, in the middle, as a part of it. */
function noiseOf(rounds: readonly number[]): number {
  const middle = median(rounds);
  return median(rounds.map((round) => Math.abs(round - middle))) / middle;
}

/** Beyond the noise: the change is more than three times what the rounds differ among themselves. */
function describeChange(name: string, before: readonly number[], after: readonly number[]): string[] {
  const [then, now] = [median(before), median(after)];
  const change = now / then - 1;
  const noise = Math.max(LEAST, 3 * Math.hypot(noiseOf(before), noiseOf(after)));
  if (Math.abs(change) <= noise) return [];
  const percent = `${change > 0 ? '+' : ''}${(change * 100).toFixed(0)} %`;
  const figure = (value: number) => Number(value.toPrecision(4));
  return [
    `${percent.padStart(7)}  ${name}: ${figure(then)} → ${figure(now)} (noise ${(noise * 100).toFixed(0)} %)`,
  ];
}

function main(): Promise<boolean> {
  const [before, after, ...more] = process.argv.slice(2);
  if (before === undefined || after === undefined || more.length > 0) throw new UsageError(USAGE);
  const then = figuresOf(before);
  const now = figuresOf(after);
  const changes = [...then].flatMap(([name, rounds]) => {
    const other = now.get(name);
    return other ? describeChange(name, rounds, other) : [`         ${name}: only in ${before}`];
  });
  const added = [...now.keys()].filter((name) => !then.has(name));
  const lines = [...changes, ...added.map((name) => `         ${name}: only in ${after}`)];
  console.log(lines.length === 0 ? 'Nothing changed by more than the noise.' : lines.join('\n'));
  return Promise.resolve(true);
}

await runCommand(main);
