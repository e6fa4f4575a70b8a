import { Logger } from '@nestjs/common';
import { SCRIPTS } from 'elkmq/internal';
import { Redis } from 'ioredis';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';
import { startRedis } from '../scripts/redis.js';
import { fillQueue, openConsole } from './console-rig.js';
import { Random } from '../chaos/random.js';
import { shuffled } from './rounds.js';
import { withoutPreemption } from './priority.js';
import { median, medianInterval, ratios, type Interval } from './statistics.js';

/** The console on a large queue: what it costs Redis, how fast it answers, and what it takes from the workers. */

const USAGE = `npm run bench:console -- [--waiting N] [--dead N] [--rounds N] [--seconds N] [--json FILE]`;
const QUEUE = 'large';
const LOAD_QUEUE = 'load';
const EVENT = 'bench';
/** Events that wait for Redis at once. */
const IN_FLIGHT = 200;
/** Fewer rounds say nothing about the interval of their median. */
const FEWEST_ROUNDS = 6;
/** How the order of the turns is shuffled; the same in each run. */
const SEED = 1;
/** The pause of the page between two reads. */
const PAGE_PAUSE_MS = 2_000;
const LOOKS = 10;
const ALONE = 'During the looks no usual process took the processor from Redis (chrt --fifo).';
const NOT_ALONE =
  'The machine does not let Redis keep the processor (chrt --fifo, as root). The longest command may have waited for it.';
const SLOW_LOG_US = 500;
const SLOW_LOG_LENGTH = 10_000;
const VIEWS = [
  'queues',
  `queue?queue=${QUEUE}`,
  `messages?queue=${QUEUE}&state=waiting`,
  `messages?queue=${QUEUE}&state=dead`,
  `rates?queue=${QUEUE}&hours=48`,
  'workers',
  'topics',
];
const SEARCH = `search?queue=${QUEUE}&text=nothing&states=waiting&newest=100000`;

interface Figure {
  readonly what: string;
  readonly is: number;
  readonly target: number;
  /** Whether the figure must not be below the target; else it must not be above. */
  readonly isLeast?: boolean;
  /** The interval of a median. All of it must meet the target. */
  readonly interval?: Interval;
}

await runCommand(async () => {
  const text = { type: 'string' } as const;
  const flags = { waiting: text, dead: text, rounds: text, seconds: text, json: text };
  const command = new CommandLine(process.argv.slice(2), flags, USAGE);
  const { waiting = '1000000', dead = '10000', rounds = '30', seconds = '6', json } = command.flags;
  const file = command.outputFile('json', json);
  const messages = command.wholeNumber('waiting', waiting, 1_000, 10_000_000);
  const letters = command.wholeNumber('dead', dead, 0, 100_000);
  const count = command.wholeNumber('rounds', rounds, FEWEST_ROUNDS, 100);
  const roundMs = command.wholeNumber('seconds', seconds, 3, 600) * 1_000;
  Logger.overrideLogger(false);
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    await fillQueue(redis, QUEUE, messages, letters);
    const looks = await withoutPreemption(server.pid, () => looksOf(redis, server.url));
    console.log(looks.isAlone ? ALONE : NOT_ALONE);
    const figures = [...looks.result, await shareOf(server.url, count, roundMs)];
    for (const figure of figures) console.log(describe(figure));
    writeJson(file, { waiting: messages, dead: letters, isAlone: looks.isAlone, figures });
    return figures.every(isMet);
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

function describe({ what, is, target, isLeast, interval }: Figure): string {
  const range = interval ? ` (${interval.map((end) => end.toFixed(3)).join(' to ')})` : '';
  const bound = `${isLeast ? 'at least' : 'at most'} ${target}`;
  return `${what.padEnd(52)} ${is.toFixed(interval ? 3 : 2).padStart(8)}${range}  ${bound}`;
}

function isMet({ is, target, isLeast, interval: [low, high] = [is, is] }: Figure): boolean {
  return isLeast ? low >= target : high <= target;
}

interface SlowCommand {
  readonly ms: number;
  readonly name: string;
}

/** No command was long enough for the slow log. */
const NONE: SlowCommand = { ms: SLOW_LOG_US / 1_000, name: 'none took so long' };

/**
 * What the views and a search cost. One look is all views and a search of about a thousand commands. The slow
 * log has the time during which the system took the processor from Redis. So Redis must not lose it meanwhile.
 */
async function looksOf(redis: Redis, url: string): Promise<Figure[]> {
  const page = await openConsole(url);
  try {
    await look(page.api);
    await redis.config('SET', 'slowlog-log-slower-than', SLOW_LOG_US);
    await redis.config('SET', 'slowlog-max-len', SLOW_LOG_LENGTH);
    const times: number[] = [];
    const searchTimes: number[] = [];
    const longest: SlowCommand[] = [];
    for (let n = 0; n < LOOKS; n++) {
      await redis.call('SLOWLOG', 'RESET');
      times.push(...(await look(page.api)));
      const started = performance.now();
      await ask(`${page.api}${SEARCH}`);
      searchTimes.push((performance.now() - started) / 1_000);
      longest.push(await longestOf(redis));
    }
    await redis.config('SET', 'slowlog-log-slower-than', -1);
    const [{ ms, name } = NONE] = longest.toSorted((one, other) => other.ms - one.ms);
    const usual = median(longest.map((each) => each.ms));
    console.log(
      `the longest command at Redis: ${name}; the longest of a look: ${usual.toFixed(2)} ms (median)`,
    );
    return [
      { what: 'longest command at Redis, ms', is: ms, target: 5 },
      { what: 'slowest search of the newest 100,000, s', is: Math.max(...searchTimes), target: 10 },
      { what: `slowest of ${times.length} answers, ms`, is: Math.max(...times), target: 300 },
      { what: 'median answer, ms', is: median(times), target: 300 },
    ];
  } finally {
    await page.close();
  }
}

/** The longest command since the slow log was emptied. */
async function longestOf(redis: Redis): Promise<SlowCommand> {
  const slow = (await redis.call('SLOWLOG', 'GET', SLOW_LOG_LENGTH)) as [number, number, number, string[]][];
  const [first] = slow.toSorted(([, , one], [, , other]) => other - one);
  return first ? { ms: first[2] / 1_000, name: nameOf(first[3]) } : NONE;
}

/** The command with its first arguments. A script has its name in place of its digest. */
function nameOf([command = '', first = '', ...rest]: readonly string[]): string {
  const script = Object.values(SCRIPTS).find(({ sha1 }) => sha1 === first);
  return [command, script?.name ?? first, ...rest.slice(0, 4)].join(' ').slice(0, 100);
}

/** What is left of the throughput with an open console, the two in turns. */
async function shareOf(url: string, rounds: number, roundMs: number): Promise<Figure> {
  let handled = 0;
  const server = new ElkMqServer({ queue: LOAD_QUEUE, url });
  const handle = (): Promise<void> => {
    handled++;
    return Promise.resolve();
  };
  server.addHandler(EVENT, handle, true);
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error) : resolve())));
  const client = new ElkMqClient({ queue: LOAD_QUEUE, url });
  await client.connect();
  const ending = new AbortController();
  const send = async (): Promise<void> => {
    while (!ending.signal.aborted) await lastValueFrom(client.emit(EVENT, 1), { defaultValue: undefined });
  };
  const sending = Array.from({ length: IN_FLIGHT }, send);
  const without: number[] = [];
  const withConsole: number[] = [];
  const measure = async (): Promise<number> => {
    const before = handled;
    const started = performance.now();
    await sleep(roundMs);
    return (handled - before) / ((performance.now() - started) / 1_000);
  };
  await measure();
  const measureWithConsole = async (): Promise<number> => {
    const page = await openConsole(url);
    const closing = new AbortController();
    const looking = watch(page.api, closing.signal);
    // It is open already when the turn begins.
    await sleep(PAGE_PAUSE_MS);
    const measured = await measure();
    closing.abort();
    await looking;
    await page.close();
    return measured;
  };
  const random = new Random(SEED);
  for (let round = 0; round < rounds; round++) {
    for (const isOpen of shuffled([false, true], random)) {
      if (isOpen) withConsole.push(await measureWithConsole());
      else without.push(await measure());
    }
  }
  ending.abort();
  await Promise.all(sending);
  await client.close();
  await server.close();
  console.log(
    `${median(without).toFixed(0)} events in a second without a console, ${median(withConsole).toFixed(0)} with`,
  );
  const shares = ratios(withConsole, without);
  return {
    what: 'throughput with an open console / without',
    is: median(shares),
    interval: medianInterval(shares),
    target: 0.95,
    isLeast: true,
  };
}

/** Reads again and again what a page of a large queue reads. */
async function watch(api: string, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    await Promise.all(
      [`queue?queue=${QUEUE}`, `messages?queue=${QUEUE}&state=waiting`].map((view) => ask(`${api}${view}`)),
    );
    await sleep(PAGE_PAUSE_MS);
  }
}

/** Asks for each view, one after the other. @returns the time of each answer, ms */
async function look(api: string): Promise<number[]> {
  const times: number[] = [];
  for (const view of VIEWS) {
    const started = performance.now();
    await ask(`${api}${view}`);
    times.push(performance.now() - started);
  }
  return times;
}

async function ask(address: string): Promise<void> {
  const answer = await fetch(address);
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${address} answers ${String(answer.status)}: ${body.slice(0, 200)}`);
}
