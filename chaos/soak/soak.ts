import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { QUEUE } from './commands.js';
import { Fleet } from './fleet.js';
import type { Options } from './options.js';
import type { Report, Row } from './report.js';
import { isFlat, trendOf, type Sample } from './trend.js';

const WORKERS = 2;
const CLIENTS = 2;
const MEASURE_MS = 5_000;
/** A part of the run, at the start of each life, in which code is compiled and caches fill. Not longer than that. */
const WARM_UP = { part: 0.3, minutes: 2 };
/** Samples at the least, and how far apart they are at the most. */
const SAMPLES = { least: 60, seconds: 5 };
/** Growth of more than this part of the mean per minute is not flat. */
const BOUND = 0.01;
const MINUTE = 60_000;

/** Runs the queue at half its speed, kills workers now and then, and watches memory. */
export async function soak(url: string, options: Options, interrupt: AbortSignal): Promise<Report> {
  const { minutes, killRate } = options;
  const redis = new Redis(url);
  const fleet = new Fleet(url, interrupt);
  try {
    await fleet.start(WORKERS, CLIENTS);
    const measured = await fleet.askClients({ do: 'measure', ms: MEASURE_MS }, MEASURE_MS);
    const pairsPerSecond = sum(measured.map(({ answered }) => answered)) / (MEASURE_MS / 1_000);
    await fleet.askClients({ do: 'pace', perSecond: pairsPerSecond / 2 / CLIENTS });

    const warmUp = Math.min(WARM_UP.part * minutes, WARM_UP.minutes);
    const pauseMs = Math.min((minutes * MINUTE) / SAMPLES.least, SAMPLES.seconds * 1_000);
    const memory: Sample[] = [];
    const keys: Sample[] = [];
    const start = performance.now();
    const now = () => (performance.now() - start) / MINUTE;
    let [kills, owed, before] = [0, 0.5, 0];
    while (now() < minutes) {
      await sleep(pauseMs, undefined, { signal: interrupt });
      owed += (now() - before) * 60 * WORKERS * killRate;
      before = now();
      for (; owed >= 1; owed--, kills++) await fleet.killWorker(now());
      await fleet.sample(now(), warmUp);
      if (now() < warmUp) continue;
      memory.push({ minute: now(), value: await usedMemory(redis) });
      keys.push({ minute: now(), value: await redis.dbsize() });
    }

    const totals = await fleet.askClients({ do: 'stop' }, 20_000);
    const [steady, ...others] = fleet.workers;
    const lives = [...fleet.ended, ...others].map(({ samples }) => samples);
    const rows = [
      ...fleet.clients.map(({ samples }, index) => row(`heap of client ${index + 1}`, [samples])),
      row('heap of the worker that is never killed', [steady?.samples ?? []]),
      // Too young for a verdict: a process grows until its code is compiled.
      { ...row('heap of those that are killed', lives), isFlat: undefined },
      row('memory of Redis', [memory]),
      row('keys in Redis', [keys], 1),
    ];
    const requests = sum(totals.map((total) => total.requests));
    const answered = sum(totals.map((total) => total.answered));
    const problems = [...totals.flatMap((total) => total.problems), ...(await leftovers(redis))];
    if (answered < requests) problems.push(`${requests - answered} requests were not answered`);
    const skipped = sum(totals.map((total) => total.skipped));
    const bound = BOUND;
    return { minutes, warmUp, pairsPerSecond, kills, requests, answered, skipped, bound, rows, problems };
  } finally {
    await fleet.stop();
    redis.disconnect();
  }
}

function row(what: string, lives: readonly (readonly Sample[])[], unit: Row['unit'] = 1_024): Row {
  const trend = trendOf(lives);
  return { what, unit, trend, isFlat: trend === undefined || isFlat(trend, BOUND) };
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

/** What should not be there when all is answered; the last events are given a while. */
async function leftovers(redis: Redis): Promise<string[]> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const waiting = await redis.xlen(`${QUEUE}(event_stream)`);
    const letters = await redis.zcard(`${QUEUE}(dead_letters)`);
    if (waiting + letters === 0) return [];
    if (letters > 0 || performance.now() > deadline) {
      return [`${waiting} messages and ${letters} dead letters are left`];
    }
    await sleep(50);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
