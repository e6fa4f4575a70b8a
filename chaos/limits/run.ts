import { Logger } from '@nestjs/common';
import { runCommand, writeJson } from '../../scripts/command-line.js';
import { Random } from '../random.js';
import { runPart, type Part, type PartResult } from './campaign.js';
import { parseOptions } from './options.js';

const CONCURRENCY = 10;
const RATE = { limit: 100, per: 1_000 };
/** The rate is kept within this part of it. */
const TOLERANCE = 0.05;

const PARTS: readonly Part[] = [
  { name: 'concurrency', limits: { concurrency: CONCURRENCY }, handlerMs: 40 },
  { name: 'rate', limits: { rate: RATE }, handlerMs: 10 },
];

/** Has workers that come, go and are killed work within limits, and says whether the limits were kept. */
await runCommand(async () => {
  const { seed, seconds, isStrict, jsonFile } = parseOptions(process.argv.slice(2));
  Logger.overrideLogger(['error']);
  console.log(`seed ${seed}\n`);
  const results: { result: PartResult; problems: string[] }[] = [];
  for (const part of PARTS) {
    const result = await runPart(part, seconds, new Random(seed));
    const problems = problemsOf(result, isStrict);
    results.push({ result, problems });
    console.log(`${format(result)}\n${problems.map((problem) => `  NOT GOOD: ${problem}\n`).join('')}`);
  }
  writeJson(jsonFile, results);
  return results.every(({ problems }) => problems.length === 0);
});

function problemsOf({ part, ...found }: PartResult, isStrict: boolean): string[] {
  const problems: string[] = [];
  if (found.started === 0) problems.push('nothing was handled');
  if (part.name === 'concurrency') {
    if (found.mostLeases > CONCURRENCY)
      problems.push(`there were ${found.mostLeases} leases, more than ${CONCURRENCY}`);
    // A handler that has lost its lease runs on beside the one that has it now.
    if (found.leasesLost === 0 && found.mostAtOnce > CONCURRENCY)
      problems.push(`${found.mostAtOnce} handlers ran at once, more than ${CONCURRENCY}`);
    return problems;
  }
  const perSecond = found.started / found.seconds;
  if (perSecond > RATE.limit * (1 + TOLERANCE))
    problems.push(`${perSecond.toFixed(1)} messages started a second, more than ${RATE.limit}`);
  if (isStrict && perSecond < RATE.limit * (1 - TOLERANCE))
    problems.push(`only ${perSecond.toFixed(1)} messages started a second, of ${RATE.limit}`);
  return problems;
}

function format({ part, workers, ...found }: PartResult): string {
  const perSecond = (found.started / found.seconds).toFixed(1);
  return [
    `${part.name}: ${JSON.stringify(part.limits)}, ${found.seconds.toFixed(1)} s`,
    `  workers: ${workers.started} started, ${workers.killed} killed, ${workers.stopped} stopped`,
    `  handlers: ${found.started} started, ${perSecond} a second, at most ${found.mostInOneSecond} in one second`,
    `  at once: at most ${found.mostAtOnce} handlers; leases: at most ${found.mostLeases}, ${found.meanLeases.toFixed(2)} on average of ${found.samples} looks`,
    `  handlers that had lost their lease: ${found.leasesLost}`,
  ].join('\n');
}
