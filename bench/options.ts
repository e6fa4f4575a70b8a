import { CommandLine } from '../scripts/command-line.js';
import { USUAL, type Conditions } from './conditions.js';
import { MOST_VALUES } from './statistics.js';
import { SUITE_FLAGS, SUITES, TRANSPORTS, type Suite, type SuiteFlag } from './suites.js';
import type { Wanted } from './surroundings.js';
import { isTransportName, type TransportName } from './transports/index.js';

/** How long and how often is measured. */
export interface Settings {
  readonly rounds: number;
  readonly levels: readonly number[];
  /** For each client and worker, with many in flight, then with few, then with events, each for so long. */
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
  readonly conditions: Conditions;
  readonly wanted: Wanted;
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

/** Of a packet between two machines of one data centre, ms. */
const DELAY_MS = 0.5;

const USAGE = `npm run bench -- [--quick] [--SUITE] [--only a,b] [--rounds N] [--json FILE] [--charts DIR]

  --quick       ${QUICK.rounds} rounds of ${QUICK.measureMs} ms instead of ${FULL.rounds} of ${FULL.measureMs} ms: shows that it runs, not how fast
${SUITE_FLAGS.map((flag) => `  --${flag.padEnd(12)}in place of the transports: ${SUITES[flag].about}`).join('\n')}
  --network     clients, broker and workers each in a network namespace of its own: needs Linux, root, ip and tc
  --delay-ms N  with --network: how long a packet takes, each way, 0 to 1000; default ${DELAY_MS}
  --tls         with TLS: only the transports over Redis
  --processes N  as many clients and as many workers, 1 to 64: only transports whose workers share the messages
  --handler-ms N  each handler waits so long, 0 to 10000: only the transports
  --concurrency N  how many messages a worker handles at once, 1 to 10000, where a transport has such a limit
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
    peers: flag,
    strace: flag,
    network: flag,
    'delay-ms': text,
    tls: flag,
    processes: text,
    'handler-ms': text,
    concurrency: text,
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
    conditions: conditionsOf(command),
    wanted: wantedOf(command),
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

type Flags = Partial<Record<string, string | boolean>>;
interface Command {
  readonly flags: Flags;
  refuse(problem: string): never;
  wholeNumber(flag: string, text: string, least: number, most: number): number;
  number(flag: string, text: string, least: number, most: number): number;
}

function conditionsOf(command: Command): Conditions {
  const number = (flag: string, least: number, most: number): number | undefined => {
    const text = command.flags[flag];
    return typeof text === 'string' ? command.wholeNumber(flag, text, least, most) : undefined;
  };
  const {
    processes = USUAL.processes,
    handlerMs = USUAL.handlerMs,
    concurrency,
  } = {
    processes: number('processes', 1, 64),
    handlerMs: number('handler-ms', 0, 10_000),
    concurrency: number('concurrency', 1, 10_000),
  };
  const suite = SUITE_FLAGS.find((flag) => command.flags[flag] === true);
  if (suite !== undefined && (handlerMs > 0 || concurrency !== undefined))
    command.refuse(`--handler-ms and --concurrency are for the transports: not with --${suite}`);
  return { processes, handlerMs, ...(concurrency !== undefined && { concurrency }) };
}

function wantedOf(command: Command): Wanted {
  const { network, tls = false, 'delay-ms': delay } = command.flags;
  if (network !== true && delay !== undefined) command.refuse('--delay-ms is expected with --network only');
  const networkDelayMs = typeof delay === 'string' ? command.number('delay-ms', delay, 0, 1_000) : DELAY_MS;
  return { tls: tls === true, ...(network === true && { networkDelayMs }) };
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
