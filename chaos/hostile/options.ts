import { CommandLine } from '../../scripts/command-line.js';

export interface Options {
  readonly entries: number;
  readonly seed: number;
  readonly jsonFile: string | undefined;
}

const USAGE = 'npm run hostile -- [--entries N] [--seed S] [--json FILE]';

export function parseOptions(args: string[]): Options {
  const accepted = {
    entries: { type: 'string', default: '200000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'string' },
  } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const { entries, seed, json } = command.flags;
  return {
    entries: command.wholeNumber('entries', entries, 0, 1e9),
    seed: command.wholeNumber('seed', seed, 0, 2 ** 32 - 1),
    jsonFile: command.outputFile('json', json),
  };
}
