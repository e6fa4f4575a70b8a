import { CommandLine } from '../../scripts/command-line.js';

export interface Options {
  readonly minutes: number;
  /** Of so many seconds of a worker's life one ends with SIGKILL: 0.01 is one of a hundred. */
  readonly killRate: number;
  readonly jsonFile: string | undefined;
}

const USAGE = 'npm run soak -- [--minutes 10] [--kill-rate 0.01] [--json FILE]';

export function parseOptions(args: string[]): Options {
  const accepted = {
    minutes: { type: 'string', default: '10' },
    'kill-rate': { type: 'string', default: '0.01' },
    json: { type: 'string' },
  } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const { minutes, json, 'kill-rate': killRate } = command.flags;
  return {
    minutes: command.number('minutes', minutes, 0.5, 10_000),
    killRate: command.number('kill-rate', killRate, 0, 1),
    jsonFile: command.outputFile('json', json),
  };
}
