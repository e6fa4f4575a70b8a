import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isTransportName, transportNames, type TransportName } from './transports/index.js';

/** How long and how often is measured. */
export interface Settings {
  readonly rounds: number;
  readonly levels: readonly number[];
  /** Once per pair of processes, at the highest level, until the code is compiled. */
  readonly warmUpMs: number;
  readonly leadInMs: number;
  readonly measureMs: number;
}

export interface Options {
  readonly settings: Settings;
  /** Absent means all that can run here. */
  readonly only?: readonly TransportName[];
  readonly jsonFile?: string;
}

const LEVELS = [1, 64, 256];
const FULL: Settings = { rounds: 5, levels: LEVELS, warmUpMs: 2000, leadInMs: 300, measureMs: 2000 };
const QUICK: Settings = { rounds: 2, levels: LEVELS, warmUpMs: 300, leadInMs: 50, measureMs: 300 };

const USAGE = `npm run bench -- [--quick] [--only a,b] [--rounds N] [--json FILE]

  --quick       ${QUICK.rounds} rounds of ${QUICK.measureMs} ms instead of ${FULL.rounds} of ${FULL.measureMs} ms: shows that it runs, not how fast
  --only a,b    only these transports, of ${transportNames.join(', ')}
  --rounds N    how often each transport has its turn
  --json FILE   also write everything that was measured to FILE`;

/** A flag that cannot be followed; the message says which are accepted. */
export class UsageError extends Error {
  constructor(problem: string, options?: ErrorOptions) {
    super(`${problem}\n\n${USAGE}`, options);
  }
}

export function parseOptions(args: string[]): Options {
  const flags = parseFlags(args);
  const settings = flags.quick === true ? QUICK : FULL;
  return {
    settings: flags.rounds === undefined ? settings : { ...settings, rounds: parseRounds(flags.rounds) },
    ...(flags.only !== undefined && { only: parseNames(flags.only) }),
    ...(flags.json !== undefined && { jsonFile: parseFile(flags.json) }),
  };
}

function parseFlags(args: string[]): { quick?: boolean; only?: string; rounds?: string; json?: string } {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        rounds: { type: 'string' },
        json: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function parseRounds(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new UsageError(`--rounds ${JSON.stringify(text)}: a whole number from 1 to 9999 is expected`);
  }
  return Number(text);
}

function parseNames(text: string): TransportName[] {
  const names = text.split(',').map((name) => {
    if (isTransportName(name)) return name;
    throw new UsageError(
      `--only: unknown transport ${JSON.stringify(name)}; known: ${transportNames.join(', ')}`,
    );
  });
  return transportNames.filter((name) => names.includes(name));
}

/** Checked before the run, which would be a pity to lose at its end. */
function parseFile(file: string): string {
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (error) {
    throw new UsageError(`--json ${JSON.stringify(file)}: its folder cannot be written to`, { cause: error });
  }
  return resolve(file);
}
