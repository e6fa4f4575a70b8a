import { Logger } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { ElkMqClient, ElkMqRecordBuilder, ElkMqServer } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';
import { startRedis } from '../scripts/redis.js';
import { ECHO, EVENT, PAYLOAD } from './payload.js';
import { logSlowCalls, resetTimes, scriptTime, slowScripts } from './redis-time.js';
import { median, ratio } from './statistics.js';

/**
 * The price of ordering keys: time and memory of Redis, the rate of other keys beside a hot and a failing one, and the
 * longest call where many requests of a key have expired.
 */

const USAGE = `npm run bench:order -- [--messages N] [--rounds N] [--json FILE]`;
const QUEUE = 'bench';
/** Events that wait for Redis at once. */
const IN_FLIGHT = 500;
/** Of the requests that expire. */
const REQUEST_TIMEOUT_MS = 1_000;
const FAILING_EVENT = 'bench.failing';
/** The keys of the load beside a hot and a failing key. */
const OTHER_KEYS = 1_000;

/** What is stored: the ordering key of each message, if it has one. */
type KeyOf = (number: number) => string | undefined;
const SHAPES: Readonly<Record<string, KeyOf>> = {
  'without keys': () => undefined,
  'free keys': (number) => `customer-${number}`,
  '1,000 keys': (number) => `customer-${number % 1_000}`,
  'one key': () => 'customer-1',
};

interface Price {
  /** Time of Redis for one message, µs. */
  readonly storeUs: number;
  readonly handleUs: number;
  /** Memory of Redis for one message that waits. */
  readonly bytes: number;
}

await runCommand(async () => {
  const text = { type: 'string' } as const;
  const command = new CommandLine(process.argv.slice(2), { messages: text, rounds: text, json: text }, USAGE);
  const { messages = '100000', rounds = '5', json } = command.flags;
  const file = command.outputFile('json', json);
  const total = command.wholeNumber('messages', messages, 1_000, 1_000_000);
  const count = command.wholeNumber('rounds', rounds, 1, 100);
  Logger.overrideLogger(false);
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    const prices = await pricesOf(redis, server.url, total, count);
    const rates = await ratesOf(redis, server.url, Math.ceil(total / 5), count);
    const expired = await expiredOf(redis, server.url, total);
    writeJson(file, { messages: total, rounds: count, prices, rates, expired });
    return true;
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

/** The price of each shape, the shapes in turns. */
async function pricesOf(redis: Redis, url: string, total: number, rounds: number) {
  const names = Object.keys(SHAPES);
  const prices: Record<string, Price[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const [name, keyOf] of Object.entries(SHAPES))
      prices[name]?.push(await priceOf(redis, url, total, keyOf));
  const plain = prices['without keys'] ?? [];
  for (const [name, all] of Object.entries(prices)) {
    const middle = (figure: keyof Price): number => median(all.map((price) => price[figure]));
    const times = ratio(all.map(costOf), plain.map(costOf));
    const figures = [
      `stored ${middle('storeUs').toFixed(1)} µs`,
      `handled ${middle('handleUs').toFixed(1)} µs`,
      `${times.toFixed(2)} × without keys`,
      `${middle('bytes').toFixed(0)} bytes`,
    ];
    console.log(`${name.padEnd(14)} ${figures.join('  ')}`);
  }
  return prices;
}

function costOf({ storeUs, handleUs }: Price): number {
  return storeUs + handleUs;
}

async function priceOf(redis: Redis, url: string, total: number, keyOf: KeyOf): Promise<Price> {
  await redis.flushall();
  const client = new ElkMqClient({ queue: QUEUE, url });
  await client.connect();
  const before = await memoryOf(redis);
  await resetTimes(redis);
  await emitAll(client, total, keyOf);
  const storeUs = (await scriptTime(redis)) / total;
  const bytes = ((await memoryOf(redis)) - before) / total;
  await resetTimes(redis);
  let handled = 0;
  const worker = await startWorker(url, () => {
    handled++;
  });
  while (handled < total) await sleep(20);
  await worker.close();
  const handleUs = (await scriptTime(redis)) / total;
  await client.close();
  return { storeUs, handleUs, bytes };
}

/** The rate of other keys alone, and beside a hot and a failing key, in messages per second, in turns. */
async function ratesOf(redis: Redis, url: string, total: number, rounds: number) {
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await rateOf(redis, url, total, false));
    beside.push(await rateOf(redis, url, total, true));
  }
  const [rate, rateBeside] = [median(alone), median(beside)].map(Math.round);
  console.log(`${OTHER_KEYS} keys alone ${rate}/s, beside a hot and a failing key ${rateBeside}/s`);
  console.log(`ratio, round by round: ${ratio(beside, alone).toFixed(2)}`);
  return { alone, beside };
}

async function rateOf(redis: Redis, url: string, total: number, isBeside: boolean): Promise<number> {
  await redis.flushall();
  const client = new ElkMqClient({ queue: QUEUE, url });
  await client.connect();
  if (isBeside) {
    await emitAll(client, total, () => 'hot');
    await emitAll(client, total, () => 'failing', FAILING_EVENT);
  }
  await emitAll(client, total, (number) => `customer-${number % OTHER_KEYS}`);
  let handled = 0;
  const start = performance.now();
  const worker = await startWorker(url, (key) => {
    if (key !== 'hot') handled++;
  });
  while (handled < total) await sleep(5);
  const seconds = (performance.now() - start) / 1_000;
  await worker.close();
  await client.close();
  return total / seconds;
}

/** One key with requests that have all expired behind its first message: the longest call that lets them go, ms. */
async function expiredOf(redis: Redis, url: string, total: number) {
  await redis.flushall();
  const client = new ElkMqClient({ queue: QUEUE, url });
  await client.connect();
  await emitAll(client, 1, () => 'hot');
  const record = new ElkMqRecordBuilder(PAYLOAD).setOrderingKey('hot').setTimeout(REQUEST_TIMEOUT_MS).build();
  const ended: Promise<unknown>[] = [];
  for (let number = 0; number < total; number++) {
    ended.push(lastValueFrom(client.send(ECHO, record)).catch(() => undefined));
    if (number % IN_FLIGHT === 0) await sleep(1);
  }
  await Promise.all(ended);
  await client.close();
  const waited = await redis.hlen(`${QUEUE}(lane_bodies)`);
  await logSlowCalls(redis);
  const worker = await startWorker(url, () => undefined);
  while ((await redis.exists(`${QUEUE}(lanes)`)) === 1) await sleep(20);
  await worker.close();
  const slow = await slowScripts(redis);
  const shown = (us = 0): string => `${(us / 1_000).toFixed(1)} ms`;
  // On a busy machine Redis is held up in the middle of a call: then the longest one says nothing.
  const typical = slow.length === 0 ? 'none is slow' : `half of the slow ones below ${shown(median(slow))}`;
  console.log(
    `${waited} expired requests of one key: longest call ${shown(slow.at(-1))} (target 5), ${typical}`,
  );
  return { waited, slowUs: slow };
}

async function emitAll(client: ElkMqClient, total: number, keyOf: KeyOf, pattern = EVENT): Promise<void> {
  for (let number = 0; number < total; number += IN_FLIGHT) {
    const sent: Promise<unknown>[] = [];
    for (let n = number; n < Math.min(number + IN_FLIGHT, total); n++) {
      const key = keyOf(n);
      const record = new ElkMqRecordBuilder(PAYLOAD);
      if (key !== undefined) record.setOrderingKey(key);
      sent.push(lastValueFrom(client.emit(pattern, record.build()), { defaultValue: undefined }));
    }
    await Promise.all(sent);
  }
}

async function startWorker(url: string, onEvent: (key: string | undefined) => void): Promise<ElkMqServer> {
  const server = new ElkMqServer({ queue: QUEUE, url });
  const handle = (_: unknown, context: { getOrderingKey(): string | undefined }): Promise<void> => {
    onEvent(context.getOrderingKey());
    return Promise.resolve();
  };
  server.addHandler(EVENT, handle, true);
  const fail = (): never => {
    throw new RpcException('as it should');
  };
  server.addHandler(FAILING_EVENT, () => Promise.resolve().then(fail), true);
  await new Promise<void>((resolve, reject) => {
    server.listen((error?: unknown) => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
  return server;
}

async function memoryOf(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}
