import { randomInt } from 'node:crypto';
import { CommandLine } from '../../scripts/command-line.js';

export interface Options {
  readonly seed: number;
  /** Of each of the two parts. */
  readonly seconds: number;
  /** Whether the workers must also reach what the limits allow. A machine may be too slow for that. */
  readonly isStrict: boolean;
  readonly jsonFile: string | undefined;
}

const SECONDS = 60;
const QUICK_SECONDS = 10;

const USAGE = `npm run test:limits -- [--quick] [--seconds N] [--seed S] [--json FILE]

  --quick      ${QUICK_SECONDS} seconds for each limit, and no word about what the workers reach
  --seconds N  so many seconds for each limit; default ${SECONDS}
  --seed S     repeats the order in which workers come and go; a whole number below 2^32
  --json FILE  also write the result to FILE`;

export function parseOptions(args: string[]): Options {
  const text = { type: 'string' } as const;
  const accepted = { quick: { type: 'boolean' }, seconds: text, seed: text, json: text } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const { quick = false, seconds, seed, json } = command.flags;
  const usual = quick ? QUICK_SECONDS : SECONDS;
  return {
    seed: seed === undefined ? randomInt(2 ** 32) : command.wholeNumber('seed', seed, 0, 2 ** 32 - 1),
    seconds: seconds === undefined ? usual : command.wholeNumber('seconds', seconds, 1, 86_400),
    isStrict: !quick,
    jsonFile: command.outputFile('json', json),
  };
}
