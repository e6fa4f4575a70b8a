import { Redis } from 'ioredis';
import { EventQueue, ServiceEvent, Topic } from 'nestjs-elkmq';
import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';
import { startRedis } from '../scripts/redis.js';
import { EVENT, PAYLOAD } from './payload.js';
import { logSlowCalls, resetTimes, scriptTime, slowScripts } from './redis-time.js';
import { median, ratio } from './statistics.js';

/** The price of a copy: the time of Redis for one subscription of an event, beside an event of a plain queue. */

const USAGE = `npm run bench:topics -- [--quick] [--copies N] [--rounds N] [--json FILE]

  --quick     two rounds of 5,000 copies`;
const TOPIC = 'bench';
const PATTERN = 'bench.#';
const SUBSCRIPTIONS = [1, 5, 20, 100];
/** A copy may cost so many times as much as a plain event, and a call may take so long. */
const TARGET = { ratio: 1.3, callMs: 5 };
/** Events of one call, unless their copies are more than one call has. */
const EVENTS_PER_CALL = 100;
const COPIES_PER_CALL = 500;
const TIMEOUT_S = 60;

interface Price {
  /** Time of Redis for one copy, or for one plain event, µs. */
  readonly us: number;
  /** The longest call, µs; 0 when none was slow. */
  readonly longestUs: number;
}

await runCommand(async () => {
  const text = { type: 'string' } as const;
  const accepted = { quick: { type: 'boolean' }, copies: text, rounds: text, json: text } as const;
  const command = new CommandLine(process.argv.slice(2), accepted, USAGE);
  const { quick = false, copies, rounds, json } = command.flags;
  const file = command.outputFile('json', json);
  const total = command.wholeNumber('copies', copies ?? (quick ? '5000' : '50000'), 1_000, 1_000_000);
  const count = command.wholeNumber('rounds', rounds ?? (quick ? '2' : '8'), 1, 100);
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    const prices = await pricesOf(redis, server.url, total, count);
    writeJson(file, { copies: total, rounds: count, prices });
    return true;
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

/** The price of each number of subscriptions, each in turn with a plain queue. They take turns in being first. */
async function pricesOf(redis: Redis, url: string, total: number, rounds: number) {
  const plain = new Map<number, Price[]>(SUBSCRIPTIONS.map((count) => [count, []]));
  const copies = new Map<number, Price[]>(SUBSCRIPTIONS.map((count) => [count, []]));
  // The first round warms up.
  for (let round = -1; round < rounds; round++)
    for (const count of SUBSCRIPTIONS) {
      const isPlainFirst = round % 2 === 0;
      const before = isPlainFirst ? await plainPrice(redis, url, total) : undefined;
      const copy = await copyPrice(redis, url, total, count);
      const one = before ?? (await plainPrice(redis, url, total));
      if (round < 0) continue;
      plain.get(count)?.push(one);
      copies.get(count)?.push(copy);
    }
  const times = (prices: readonly Price[] = []): number[] => prices.map(({ us }) => us);
  console.log(`plain event: ${describe(times([...plain.values()].flat()))}`);
  for (const count of SUBSCRIPTIONS) {
    const [own, other] = [times(copies.get(count)), times(plain.get(count))];
    const longestMs = Math.max(...(copies.get(count) ?? []).map(({ longestUs }) => longestUs)) / 1_000;
    const times_ = ratio(own, other);
    const parts = [
      `${String(count).padStart(3)} subscriptions: ${describe(own)} a copy`,
      `${times_.toFixed(2)} x a plain event${times_ > TARGET.ratio ? ` (target ${TARGET.ratio})` : ''}`,
      `longest call ${longestMs.toFixed(1)} ms${longestMs > TARGET.callMs ? ` (target ${TARGET.callMs})` : ''}`,
    ];
    console.log(parts.join('; '));
  }
  return { plain: Object.fromEntries(plain), copies: Object.fromEntries(copies) };
}

function describe(times: readonly number[]): string {
  const [lowest, middle, highest] = [Math.min(...times), median(times), Math.max(...times)];
  return `${middle.toFixed(2)} µs (${lowest.toFixed(2)} to ${highest.toFixed(2)})`;
}

async function plainPrice(redis: Redis, url: string, total: number): Promise<Price> {
  await redis.flushall();
  const queue = new EventQueue(TOPIC, url);
  await queue.enqueue(newEvent());
  const price = await measure(redis, total, async () => {
    for (let sent = 0; sent < total; sent += EVENTS_PER_CALL)
      await Promise.all(Array.from({ length: EVENTS_PER_CALL }, () => queue.enqueue(newEvent())));
  });
  await queue.close();
  return price;
}

async function copyPrice(redis: Redis, url: string, total: number, count: number): Promise<Price> {
  await redis.flushall();
  const topic = new Topic(TOPIC, url);
  for (let n = 0; n < count; n++) await topic.subscribe(`service-${String(n)}`, { patterns: [PATTERN] });
  // The publisher learns the table.
  await topic.publish(newEvent());
  const perCall = Math.min(EVENTS_PER_CALL, COPIES_PER_CALL / count);
  const price = await measure(redis, total, async () => {
    for (let sent = 0; sent < total; sent += perCall * count)
      await Promise.all(Array.from({ length: perCall }, () => topic.publish(newEvent())));
  });
  await topic.close();
  return price;
}

async function measure(redis: Redis, total: number, store: () => Promise<void>): Promise<Price> {
  await resetTimes(redis);
  await logSlowCalls(redis);
  await store();
  return { us: (await scriptTime(redis)) / total, longestUs: (await slowScripts(redis)).at(-1) ?? 0 };
}

function newEvent(): ServiceEvent {
  return new ServiceEvent(TIMEOUT_S, EVENT, JSON.stringify(PAYLOAD));
}
