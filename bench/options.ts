import { CommandLine } from '../scripts/command-line.js';
import { MOST_VALUES } from './statistics.js';
import { SUITE_FLAGS, SUITES, TRANSPORTS, type Suite, type SuiteFlag } from './suites.js';
import { isTransportName, type TransportName } from './transports/index.js';

/** How long and how often is measured. */
export interface Settings {
  readonly rounds: number;
  readonly levels: readonly number[];
  /** Per pair of processes, with many in flight, then with few, then with events, each for so long. */
  readonly warmUpMs: number;
  /** Not measured at the begin of each turn; at least until each place has had an answer. */
  readonly leadInMs: number;
  readonly measureMs: number;
  /** A measurement goes on until so many have been answered, however long that takes. */
  readonly leastAnswers: number;
}

export interface Options {
  /** Counts system calls in place of measuring. */
  readonly isStrace: boolean;
  readonly settings: Settings;
  /** What is compared, unless `only` says less. */
  readonly names: readonly TransportName[];
  /** Absent means all of them that can run here. */
  readonly only?: readonly TransportName[];
  readonly jsonFile?: string;
  /** Where charts are written. */
  readonly chartFolder?: string;
}

const FULL: Settings = {
  rounds: 20,
  levels: TRANSPORTS.levels,
  warmUpMs: 1000,
  leadInMs: 100,
  measureMs: 300,
  leastAnswers: 1,
};
const QUICK: Settings = {
  rounds: 6,
  levels: [1, 64, 256],
  warmUpMs: 500,
  leadInMs: 20,
  measureMs: 100,
  leastAnswers: 10,
};

const USAGE = `npm run bench -- [--quick] [--SUITE] [--only a,b] [--rounds N] [--json FILE] [--charts DIR]

  --quick       ${QUICK.rounds} rounds of ${QUICK.measureMs} ms instead of ${FULL.rounds} of ${FULL.measureMs} ms: shows that it runs, not how fast
${SUITE_FLAGS.map((flag) => `  --${flag.padEnd(12)}in place of the transports: ${SUITES[flag].about}`).join('\n')}
  --only a,b    only these transports, of ${TRANSPORTS.names.join(', ')};
${SUITE_FLAGS.map((flag) => `                with --${flag} of ${SUITES[flag].names.join(', ')}`).join('\n')}
  --rounds N    how often each transport has its turn
  --json FILE   also write everything that was measured to FILE
  --charts DIR  also draw it, as SVG files in DIR`;

export function parseOptions(args: string[]): Options {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const accepted = {
    quick: flag,
    options: flag,
    payloads: flag,
    http: flag,
    strace: flag,
    only: text,
    rounds: text,
    json: text,
    charts: text,
  } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const { quick, only, rounds, json, charts } = command.flags;
  const { names, levels } = suiteOf(command);
  const times = quick === true ? QUICK : FULL;
  const settings = { ...times, levels: levels.filter((level) => times.levels.includes(level)) };
  const jsonFile = command.outputFile('json', json);
  return {
    isStrace: command.flags.strace === true,
    settings:
      rounds === undefined
        ? settings
        : { ...settings, rounds: command.wholeNumber('rounds', rounds, 1, MOST_VALUES) },
    names,
    ...(only !== undefined && { only: transportsOf(command, only, names) }),
    ...(jsonFile !== undefined && { jsonFile }),
    ...(charts !== undefined && { chartFolder: charts }),
  };
}

function suiteOf(command: {
  readonly flags: Partial<Record<SuiteFlag, boolean>>;
  refuse(problem: string): never;
}): Suite {
  const [flag, ...more] = SUITE_FLAGS.filter((each) => command.flags[each] === true);
  if (flag === undefined) return TRANSPORTS;
  if (more.length > 0) command.refuse(`--${flag} and --${more.join(' and --')}: one of them is expected`);
  return SUITES[flag];
}

function transportsOf(
  command: { refuse(problem: string): never },
  text: string,
  known: readonly TransportName[],
): TransportName[] {
  const names = text.split(',').map((name) => {
    if (isTransportName(name) && known.includes(name)) return name;
    return command.refuse(`--only: unknown transport ${JSON.stringify(name)}; known: ${known.join(', ')}`);
  });
  return known.filter((name) => names.includes(name));
}
