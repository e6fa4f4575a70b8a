import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { ElkMqClient, EventQueue, JsonParseError } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../bench/child.js';
import { badAddresses, changes, snapshot, writeDecoys } from './decoys.js';
import { flood, type Written } from './flood.js';
import { GoodTraffic } from './good-traffic.js';
import type { Scene } from './kind.js';
import type { Options } from './options.js';
import { heapAfterGc, isPolluted } from './process-state.js';
import { Random } from '../random.js';
import type { Report } from './report.js';
import { verify } from './verify.js';
import type { WorkerReport } from './worker.js';

export const QUEUE = 'hostile';
const STREAM = `${QUEUE}(event_stream)`;

/** Hostile entries of one pipeline, and how many good requests and events go along with them. */
const LOT = 500;
const GOOD = 25;
/** Entries that may wait before more are written, and those that will when all is done. */
const BACKLOG = 1_000;
/** For the queue to come to rest in the end, ms. */
const TIMEOUT_MS = 60_000;
/** No request waits for longer, ms. */
const SLOW = 20_000;
const HEAP_MIB = 200;

/** Besieges the queue of a worker that runs already, and looks at what came of it. */
export async function besiege(
  url: string,
  worker: Child<object, WorkerReport>,
  { entries, seed }: Options,
): Promise<Report> {
  Logger.overrideLogger(false);
  const redis = new Redis(url);
  const client = new ElkMqClient({ queue: QUEUE, url });
  try {
    const traffic = new GoodTraffic(client);
    await client.connect();
    traffic.send(1);
    await traffic.answers();
    const scene = await makeScene(redis);
    const own = await redis.keys(`${QUEUE}(*`);
    await writeDecoys(redis, QUEUE);
    const known = new Set([...own, ...KEYS]);
    const before = await snapshot(redis, (key) => known.has(key));

    const random = new Random(seed);
    const written: Written[] = [];
    let stay = 0;
    const started = performance.now();
    while (written.length < entries) {
      const lot = await flood(redis, Math.min(LOT, entries - written.length), random, scene);
      traffic.send(GOOD);
      stay += lot.filter(({ isEvent, fate }) => isEvent && fate === 'stays').length;
      written.push(...lot);
      await untilShort(redis, stay + BACKLOG);
    }
    await traffic.answers();
    const problems = await rest(redis, scene, stay);
    const seconds = (performance.now() - started) / 1_000;

    const told = await worker.ask({}, TIMEOUT_MS);
    const { kinds, violations } = await verify(redis, QUEUE, written);
    const after = await snapshot(redis, (key) => known.has(key));
    violations.push(
      ...problems,
      ...changes(before, after).map((key) => `the key ${JSON.stringify(key)} is not as it was`),
      ...(await lettersCanBeWorkedWith(url, written)),
      ...complaints(traffic, told),
    );
    const { requests, answered, events, slowestMs } = traffic;
    return {
      seed,
      entries,
      seconds,
      kinds,
      good: { requests, answered, events, handled: told.events, slowestMs },
      memory: {
        workerHeapMiB: told.heapMiB,
        workerRssMiB: told.rssMiB,
        clientHeapMiB: heapAfterGc() / 2 ** 20,
        redisMiB: Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) / 2 ** 20,
      },
      violations,
    };
  } finally {
    await client.close();
    redis.disconnect();
  }
}

const KEYS = [
  ...['lanes', 'lane_bodies', 'lane_ids', 'lane_sweep', 'held', 'rates'],
  'event_stream',
  'message_queue',
  'response_stream',
  'dead_letters',
  'leftovers',
  'dead_letter_bodies',
  'delayed',
  'delayed_bodies',
].map((name) => `${QUEUE}(${name})`);

async function makeScene(redis: Redis): Promise<Scene> {
  const prefix = `${QUEUE}(inbox):`;
  const [inbox = ''] = await redis.keys(`${prefix}*`);
  let number = 0;
  return {
    queue: QUEUE,
    clientId: inbox.slice(prefix.length),
    badAddresses: badAddresses(QUEUE),
    next: () => ++number,
  };
}

/** @throws when the worker does not get on any more */
async function untilShort(redis: Redis, length: number): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while ((await redis.xlen(STREAM)) > length) {
    if (performance.now() > deadline)
      throw new Error('the worker does not get on: the stream stays as it is');
    await sleep(2);
  }
}

/** Waits until nothing moves any more. @returns what did not come to rest */
async function rest(redis: Redis, { clientId }: Scene, stay: number): Promise<string[]> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const [pending] = (await redis.xpending(STREAM, 'elkmq')) as [number];
    const due = await redis.zcount(`${QUEUE}(delayed)`, '-inf', Date.now() + 60_000);
    const waiting = (await redis.xlen(STREAM)) - stay;
    const inbox = await redis.xlen(`${QUEUE}(inbox):${clientId}`);
    const listed = await redis.llen(`${QUEUE}(message_queue)`);
    if (pending + due + waiting + inbox + listed === 0) return [];
    if (performance.now() > deadline) {
      return [
        `not at rest: ${pending} pending, ${due} delayed and due, ${waiting} waiting, ${inbox} in the inbox, ${listed} in the list`,
      ];
    }
    await sleep(20);
  }
}

/** Dead letters that were written by hand do no harm to who works with dead letters. */
async function lettersCanBeWorkedWith(url: string, written: readonly Written[]): Promise<string[]> {
  const queue = new EventQueue(QUEUE, url);
  const violations: string[] = [];
  const isDocumented = (error: unknown) => error instanceof JsonParseError;
  try {
    for (const { name } of written.filter(({ kind }) => kind.startsWith('dead letters:'))) {
      try {
        await queue.deadLetters.get(name).catch((error: unknown) => {
          if (!isDocumented(error)) throw error;
        });
        if ((await queue.deadLetters.retry(name)) === 0) await queue.deadLetters.remove(name);
      } catch (error) {
        violations.push(`the dead letter ${name}: ${String(error)}`);
      }
    }
    let listed = 0;
    for await (const { origin } of queue.deadLetters.all()) listed += origin === '' ? 0 : 1;
    const count = await queue.deadLetters.count();
    if (listed !== count) violations.push(`${listed} of ${count} dead letters are listed`);
  } catch (error) {
    violations.push(`dead letters cannot be listed: ${String(error)}`);
  } finally {
    await queue.close();
  }
  return violations;
}

function complaints(traffic: GoodTraffic, told: WorkerReport): string[] {
  const { requests, answered, events, slowestMs, problems } = traffic;
  const checks: [isWrong: boolean, what: string][] = [
    [answered !== requests, `${requests - answered} good requests were not answered`],
    [told.events !== events, `${events - told.events} good events were not handled`],
    [told.twice > 0, `${told.twice} good events were handled twice`],
    [slowestMs > SLOW, `a good request took ${Math.round(slowestMs)} ms`],
    [told.isPolluted || isPolluted(), 'Object.prototype is polluted'],
    [told.heapMiB > HEAP_MIB, `the worker's heap is ${Math.round(told.heapMiB)} MiB`],
  ];
  return [
    ...checks.filter(([isWrong]) => isWrong).map(([, what]) => what),
    ...problems.slice(0, 10),
    ...told.warnings.map((warning) => `the worker's process warned: ${warning}`),
  ];
}
