import { Logger } from '@nestjs/common';
import { CommandLine, runCommand, writeJson } from '../../scripts/command-line.js';
import { runCampaign, type CampaignResult } from './campaign.js';
import { KINDS } from './redis-kinds.js';

const USAGE = 'npm run test:credentials -- [--messages N] [--rotations N] [--every MS] [--json FILE]';

/** Rotates the password of a queue's clients and workers on each kind of Redis, and says what became of every message. */
await runCommand(async () => {
  const { jsonFile, ...options } = parseOptions(process.argv.slice(2));
  let lines = 0;
  const count = (): number => ++lines;
  Logger.overrideLogger({ log: () => undefined, warn: count, error: count });
  const results: CampaignResult[] = [];
  for (const kind of KINDS) {
    lines = 0;
    const result = await runCampaign({ kind, ...options });
    results.push(result);
    console.log(`${format(result)}\n  ${lines} lines of warning or error in the log\n`);
  }
  writeJson(jsonFile, results);
  return results.every(isGood);
});

function parseOptions(args: string[]) {
  const accepted = {
    messages: { type: 'string', default: '10000' },
    rotations: { type: 'string', default: '20' },
    every: { type: 'string', default: '3000' },
    json: { type: 'string' },
  } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const { messages, rotations, every, json } = command.flags;
  return {
    messages: command.wholeNumber('messages', messages, 1, 1e7),
    rotations: command.wholeNumber('rotations', rotations, 1, 1e5),
    pauseMs: command.wholeNumber('every', every, 1, 1e6),
    jsonFile: command.outputFile('json', json),
  };
}

function isGood({
  messages,
  rotations,
  passwords,
  answered,
  emitted,
  lost,
  startedTwice,
  state,
}: CampaignResult): boolean {
  if (passwords !== rotations + 1) return false;
  const isAllDone = answered === messages && emitted === messages && lost === 0 && startedTwice === 0;
  return isAllDone && state.waiting + state.running + state.delayed + state.deadLetters === 0;
}

function format(result: CampaignResult): string {
  const { kind, messages, rotations, seconds, answered, emitted, lost, startedTwice, state } = result;
  return [
    `${kind}: ${rotations} passwords in ${seconds.toFixed(1)} s${isGood(result) ? '' : ', NOT GOOD'}`,
    `  ${answered} of ${messages} requests answered, ${emitted} of ${messages} events stored; the slowest call took ${result.slowestMs.toFixed(0)} ms`,
    `  never started: ${lost}, started twice: ${startedTwice}, dead letters: ${state.deadLetters}, left: ${state.waiting + state.running}`,
    `  the functions were asked ${result.asked} times, and failed ${result.failed} times`,
    ...(result.error === undefined ? [] : [`  the first error: ${result.error}`]),
  ].join('\n');
}
