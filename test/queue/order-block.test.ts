import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ElkMqRecordBuilder, EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { GROUP } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { LaneCalls } from '../support/lane-model/calls.js';
import { deadLettersOf, events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';

const keyed = <T>(key: string, data: T) => new ElkMqRecordBuilder(data).setOrderingKey(key).build();

/** Heals the lanes of a queue as a worker does that knows ordering keys, and no letters that hold them. */
async function healAsEarlierVersion(queue: string): Promise<void> {
  const { keys } = new LaneCalls(queue);
  const suspects = Object.entries(await redis.hgetall(keys.lanes)).map(([key, text]) => ({ key, text }));
  const call = scripts.healLanes(keys, { group: GROUP, suspects });
  // The script of that version is the same one without its branch for such letters.
  const source = call.script.source.replace(/ {4}elseif entry == DEAD then\n[^]*?(?= {4}else\n)/, '');
  expect(source).not.toContain('dead_letters, head');
  expect(await redis.eval(source, call.keys.length, [...call.keys, ...call.args.map(String)])).toBe(1);
}

/** A queue whose handler blocks. `bad` has failed, and `second` and `third` wait behind its letter. */
async function blocked(options: { deadLetters?: { max?: number } } = {}) {
  const queue = newQueueName();
  const seen: string[] = [];
  const broken = new Set(['bad']);
  const step = (name: string): void => {
    seen.push(name);
    if (broken.has(name)) throw new Error('broken');
  };
  const app = await startApp(
    moduleOf(events({ step }, { order: 'block' }), requests({ ask: () => 'here' })),
    {
      queue,
      concurrency: 10,
      // A lane is left alone for a lease, so nothing heals this one in time.
      lease: 600_000,
      ...options,
    },
  );
  const client = startClient({ queue });
  for (const name of ['bad', 'second', 'third']) client.emit('step', keyed('k', name));
  await until(async () => (await redis.zcard(`${queue}(dead_letters)`)) === 1);
  // It is stored after those of the key, so they would have been handled before it.
  client.emit('step', keyed('other', 'beside'));
  await until(() => seen.includes('beside'));
  expect(seen).toEqual(['bad', 'beside']);
  seen.length = 0;
  const [letter] = await deadLettersOf(queue);
  const admin = closing(new QueueAdmin(queue, url));
  return { queue, seen, broken, app, client, admin, origin: letter?.origin ?? '' };
}

const isFree = async (queue: string): Promise<boolean> =>
  (await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`, `${queue}(held)`)) === 0;

describe("with order 'block', a dead letter holds its ordering key", () => {
  it('until it is retried: its message comes first, and those behind it follow', async () => {
    const { queue, seen, broken, origin } = await blocked();
    broken.clear();
    const { deadLetters } = closing(new EventQueue(queue, url));
    expect(await deadLetters.retry(origin)).toBe(1);
    await until(() => seen.length === 3);
    expect(seen).toEqual(['bad', 'second', 'third']);
    await until(() => isFree(queue));
  });

  it('again, when it fails again', async () => {
    const { queue, seen, admin, origin } = await blocked();
    expect(await admin.retry(origin)).toBe(1);
    await until(async () => (await deadLettersOf(queue)).some((letter) => letter.origin !== origin));
    expect(await admin.retry({})).toBe(1);
    await until(() => seen.length === 2);
    expect(seen).toEqual(['bad', 'bad']);
  });

  it.each([
    ['it is removed', ({ admin, origin }) => admin.remove(origin)],
    ['it is removed with others', ({ admin }) => admin.purge('dead')],
    ['an EventQueue removes it', ({ queue }) => closing(new EventQueue(queue, url)).deadLetters.remove({})],
    [
      'it is moved to another queue',
      async ({ admin, origin }) => (await admin.move(origin, newQueueName())).count,
    ],
  ] as [string, (scene: Awaited<ReturnType<typeof blocked>>) => Promise<number>][])(
    'until %s',
    async (_, change) => {
      const scene = await blocked();
      expect(await change(scene)).toBe(1);
      await until(() => scene.seen.length === 2);
      expect(scene.seen).toEqual(['second', 'third']);
      await until(() => isFree(scene.queue));
    },
  );

  it('until it is dropped for a newer letter, and the log says so', async () => {
    const { queue, seen, app, client } = await blocked({ deadLetters: { max: 1 } });
    client.emit('nobody', 1);
    await until(() => seen.length === 2);
    expect(seen).toEqual(['second', 'third']);
    await app.close();
    expect(logs.filter((line) => line.includes(queue) && line.includes('go on'))).toEqual([
      `warn [ElkMqServer] Queue '${queue}': 1 ordering keys that removed dead letters have held go on`,
    ]);
  });

  it('and requests of the key wait too, while those without a key are answered', async () => {
    const { queue, seen, client, admin, origin } = await blocked();
    const answer = firstValueFrom(client.send('ask', keyed('k', 1)));
    await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 3);
    expect(await firstValueFrom(client.send('ask', 1))).toBe('here');
    expect(seen).toEqual([]);
    expect(await admin.remove(origin)).toBe(1);
    expect(await answer).toBe('here');
    expect(seen).toEqual(['second', 'third']);
  });

  it('and QueueAdmin.blockedKeys() shows it as dead', async () => {
    const { queue, admin, origin } = await blocked();
    const keys = [];
    for await (const each of admin.blockedKeys()) keys.push(each);
    const since = Number(await redis.zscore(`${queue}(dead_letters)`, origin));
    expect(keys).toEqual([{ key: 'k', waiting: 2, head: origin, state: 'dead', attempt: 1, since }]);
  });

  it('until a worker of an earlier version lets the key go on; a retry then goes to its end, and nothing is left', async () => {
    const { queue, seen, broken, admin, origin } = await blocked();
    broken.clear();
    await admin.pause();
    await until(async () => (await admin.workers()).every(({ paused }) => paused));
    await healAsEarlierVersion(queue);
    expect(await deadLettersOf(queue)).toMatchObject([{ origin }]);
    expect(await admin.retry(origin)).toBe(1);
    // One message of the key is in the stream, and the others wait behind it.
    expect(await redis.xlen(`${queue}(event_stream)`)).toBe(1);
    await admin.resume();
    await until(() => seen.length === 3);
    expect(seen).toEqual(['second', 'third', 'bad']);
    await until(() => isFree(queue));
  });

  it('and no sweep lets the key go on while the letter is there, but when it was deleted by hand', async () => {
    const queue = newQueueName();
    const { keys } = new LaneCalls(queue);
    const calls = new LaneCalls(queue);
    const queueOf = closing(new EventQueue(queue, url));
    for (const name of ['bad', 'next'])
      await queueOf.enqueue(new ServiceEvent(60, 'step', `"${name}"`), { orderingKey: 'k' });
    const [{ id, fields } = { id: '', fields: [] }] = await calls.entries();
    await redis.xgroup('CREATE', keys.eventStream, GROUP, '0');
    await redis.xreadgroup('GROUP', GROUP, 'w.1.50', 'STREAMS', keys.eventStream, '>');
    const message = { number: 1, key: 'k', origin: id } as Parameters<LaneCalls['bury']>[0]['message'];
    expect(await calls.bury({ id, fields, attempt: 1, message, read: [] }, '', true)).toBe(true);
    await calls.heal();
    expect(await redis.hget(keys.lanes, 'k')).toBe(`${id} x 1 1`);
    await redis.zrem(keys.deadLetters, id);
    await calls.heal();
    expect(await calls.entries()).toHaveLength(1);
    expect(await redis.exists(keys.held)).toBe(0);
  });
});

it('one call frees at most 100 keys, so that other clients need not wait', async () => {
  const queue = newQueueName();
  const calls = new LaneCalls(queue);
  const { deadLetters, deadLetterBodies, held, lanes } = calls.keys;
  const origins = Array.from({ length: 250 }, (_, n) => `${String(n + 1)}-0`);
  for (const origin of origins) {
    await redis.zadd(deadLetters, 1, origin);
    await redis.hset(deadLetterBodies, origin, '{}');
    await redis.hset(held, origin, `key ${origin}`);
    await redis.hset(lanes, `key ${origin}`, `${origin} x 1 0`);
  }
  expect(await calls.removeLetters(origins)).toEqual([100, 100]);
  expect(await closing(new EventQueue(queue, url)).deadLetters.remove({})).toBe(150);
  expect(await redis.exists(held, lanes, deadLetters, deadLetterBodies)).toBe(0);
});

it('without order, the next message of the key goes on', async () => {
  const queue = newQueueName();
  const seen: string[] = [];
  const step = (name: string): void => {
    seen.push(name);
    if (name === 'bad') throw new Error('broken');
  };
  await startApp(moduleOf(events({ step })), { queue });
  const client = startClient({ queue });
  for (const name of ['bad', 'second']) client.emit('step', keyed('k', name));
  await until(() => seen.length === 2);
  expect(await redis.exists(`${queue}(held)`)).toBe(0);
});

it('an order that there is not is refused when the server starts', async () => {
  const module = moduleOf(events({ step: () => undefined }, { order: 'skip' }));
  const error = await rejection(startApp(module, { queue: newQueueName() }));
  expect(error).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('order must be \'block\' or left out, got "skip"') as string,
  });
});
