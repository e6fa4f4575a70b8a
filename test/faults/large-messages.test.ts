import type { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QueueContext } from '../../libs/elkmq/src/context/queue-context.js';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { newQueue } from '../support/event-queue.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';
import { requeue } from '../../libs/elkmq/src/consumer/requeue.js';

const MEGABYTE = 1024 * 1024;
const COUNT = 40;
/** Less than half of all messages, bytes. A script that reads them one by one needs a fraction of it. */
const FEW = 16 * MEGABYTE;

async function start() {
  const server = await ownRedis();
  return { url: server.url, queue: newQueueName(), look: clientOf(server) };
}

/** Ids of a minute ago. */
const PAST = Date.now() - 60_000;
const pastId = (n: number): string => `${PAST + n}-1`;

/** JSON of an event of a megabyte. */
function json(n: number): string {
  return `{"request_uuid":${n + 1},"timeout":60000,"action":"note","payload":"${'x'.repeat(MEGABYTE)}"}`;
}

/** Stores events of a megabyte. @param id of the nth entry @param fields that follow the event */
async function store(
  look: Redis,
  queue: string,
  fields: string[],
  id: (n: number) => string = () => '*',
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < COUNT; n++) {
    ids.push((await look.xadd(`${queue}(event_stream)`, id(n), 'event', json(n), ...fields)) ?? '');
  }
  return ids;
}

/** The memory that scripts have taken and not given back, bytes. Memory that they hold at once was taken together. */
async function memoryOfScripts(look: Redis): Promise<number> {
  return Number(/used_memory_lua:(\d+)/.exec(await look.info('memory'))?.[1]);
}

/** Returns the number of calls of a command that Redis has got. */
async function callsOf(look: Redis, command: string): Promise<number> {
  const stats = await look.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** A worker that notes how many events it has handled. */
/** Starts a worker that counts what it handles. */
async function startCounting(url: string, queue: string, options = {}) {
  const handled = { count: 0 };
  const note = (): void => {
    handled.count++;
  };
  await startApp(moduleOf(events({ note })), { queue, url, ...options });
  return handled;
}

describe('many large messages are not read together', () => {
  it('when the first worker of a queue starts', async () => {
    const { url, queue, look } = await start();
    await store(look, queue, ['reply_to', '']);
    const handled = await startCounting(url, queue);
    expect(await memoryOfScripts(look)).toBeLessThan(FEW);
    await until(() => handled.count === COUNT);
  });

  it('when a worker takes them', async () => {
    const { url, queue, look } = await start();
    await store(look, queue, ['reply_to', '']);
    const handled = await startCounting(url, queue, { concurrency: 100 });
    await until(() => handled.count === COUNT);
    expect(await callsOf(look, 'xreadgroup')).toBeGreaterThanOrEqual(COUNT / 4);
  });

  it('when their client is busy and many answers wait', async () => {
    const { url, queue, look } = await start();
    const client = startClient({ queue, url });
    await client.connect();
    client.send('ask', {}).subscribe({ error: () => undefined });
    let inbox: string | undefined;
    await until(async () => ([inbox] = await look.keys(`${queue}(inbox)*`)).length === 1);
    await until(async () => ((await look.client('LIST')) as string).includes('cmd=xread'));
    const all = look.multi();
    for (let n = 0; n < COUNT; n++) all.xadd(inbox ?? '', '*', 'replies', 'x'.repeat(MEGABYTE));
    await all.exec();
    await until(async () => (await look.xlen(inbox ?? '')) === 0);
    expect(await callsOf(look, 'xread')).toBeGreaterThanOrEqual(COUNT / 4);
  });

  it('when what is older than the group is looked through', async () => {
    const { url, queue, look } = await start();
    // An original consumer has taken the first one, so a worker begins behind all of them.
    await look.xadd(`${queue}(event_stream)`, pastId(0), 'event', json(0));
    await store(look, queue, ['reply_to', ''], (n) => pastId(n + 1));
    const handled = await startCounting(url, queue);
    let most = 0;
    await until(async () => {
      most = Math.max(most, await memoryOfScripts(look));
      return handled.count === COUNT;
    }, 30_000);
    expect(most).toBeLessThan(FEW);
  });

  it('when the list of original producers has ids that were passed over', async () => {
    const { queue, look } = await start();
    const ids = await store(look, queue, []);
    await look.xgroup('CREATE', `${queue}(event_stream)`, GROUP, '$');
    await look.lpush(`${queue}(message_queue)`, ...ids);
    const keys = new QueueKeys(queue, false);
    const clean = () => runScript(look, scripts.cleanList(keys, { group: GROUP, skip: 0, limit: 200 }));
    let rounds = 0;
    for (let moved = 0; moved < COUNT; rounds++) moved += ((await clean()) as [number])[0];
    expect(rounds).toBeGreaterThanOrEqual(COUNT / 4);
  });

  it('when they are put back into the queue', async () => {
    const { url, queue, look } = await start();
    await look.xgroup('CREATE', `${queue}(event_stream)`, GROUP, '$', 'MKSTREAM');
    const ids = await store(look, queue, ['reply_to', '']);
    for (let n = 0; n < COUNT; n++)
      await look.xreadgroup('GROUP', GROUP, 'c', 'COUNT', 1, 'STREAMS', `${queue}(event_stream)`, '>');
    const connection = new Connection(new RedisSource(url), 5_000);
    onTestFinished(() => connection.closeConnection());
    await connection.whenConnected(5_000);
    await requeue(new QueueContext(connection, new QueueKeys(queue, false), false), ids, 60_000);
    expect(await callsOf(look, 'evalsha')).toBeGreaterThanOrEqual(COUNT / 4);
    expect(await look.xlen(`${queue}(event_stream)`)).toBe(COUNT);
    expect((await look.xpending(`${queue}(event_stream)`, GROUP))[0]).toBe(0);
  });
});

describe('dead letters that are large', () => {
  const bury = async (look: Redis, queue: string): Promise<void> => {
    for (let n = 0; n < 2 * COUNT; n++) {
      const letter = { reason: 'failed', origin: `${n + 1}-1`, fields: ['event', json(n), 'reply_to', ''] };
      await look.hset(`${queue}(dead_letter_bodies)`, letter.origin, JSON.stringify(letter));
      await look.zadd(`${queue}(dead_letters)`, n + 1, letter.origin);
    }
  };

  it('are removed, and put back, some at a time', async () => {
    const { url, queue, look } = await start();
    const { deadLetters } = newQueue(queue, url);
    await bury(look, queue);
    expect(await deadLetters.retry({})).toBe(2 * COUNT);
    expect(await memoryOfScripts(look)).toBeLessThan(FEW);
    await look.del(`${queue}(event_stream)`);
    await bury(look, queue);
    expect(await deadLetters.remove({})).toBe(2 * COUNT);
    expect(await callsOf(look, 'hdel')).toBeGreaterThan(2 * COUNT + 1);
    expect(await look.hlen(`${queue}(dead_letter_bodies)`)).toBe(0);
  });
});
