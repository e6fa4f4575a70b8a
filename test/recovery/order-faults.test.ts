import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { LaneCalls } from '../support/lane-model/calls.js';
import type { Message } from '../support/lane-model/state.js';
import { eventsOf } from '../support/entries.js';
import { deadLettersOf, logs, startClient } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { startDoomed, startWorker } from '../support/workers.js';

const keyed = <T>(key: string, data: T) => new ElkMqRecordBuilder(data).setOrderingKey(key).build();

describe('when a worker is killed, the next message of its ordering key goes on:', () => {
  it.each([
    ['once', ['next']],
    ['at-least-once', ['killed', 'next']],
  ] as const)("with delivery '%s'", async (delivery, expected) => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue });
    const client = startClient({ queue });
    client.emit('hang event', keyed('k', 'killed'));
    client.emit('hang event', keyed('k', 'next'));
    await doomed.told('taken');
    const seen: unknown[] = [];
    const note = (payload: unknown): Promise<unknown> => Promise.resolve(seen.push(payload));
    // A lane is left alone for a lease, so nothing heals this one in time.
    await startWorker({ queue, delivery, lease: 600_000 }, { 'hang event': note });
    doomed.kill('SIGKILL');
    await until(() => seen.includes('next'));
    expect(seen).toEqual(expected);
    expect(await deadLettersOf(queue)).toHaveLength(delivery === 'once' ? 1 : 0);
    await until(async () => (await redis.exists(`${queue}(lanes)`)) === 0);
  });
});

it("with order 'block', the dead letter of a killed worker holds its ordering key", async () => {
  const queue = newQueueName();
  const doomed = await startDoomed({ queue });
  const client = startClient({ queue });
  client.emit('hang event', keyed('k', 'killed'));
  client.emit('hang event', keyed('k', 'next'));
  await doomed.told('taken');
  const seen: unknown[] = [];
  const note = (payload: unknown): Promise<unknown> => Promise.resolve(seen.push(payload));
  await startWorker({ queue, lease: 600_000 }, { 'hang event': note }, { order: 'block' });
  doomed.kill('SIGKILL');
  await until(async () => (await deadLettersOf(queue)).length === 1);
  client.emit('hang event', keyed('other', 'later'));
  await until(() => seen.length > 0);
  expect(seen).toEqual(['later']);
  const [{ origin } = { origin: '' }] = await deadLettersOf(queue);
  const calls = new LaneCalls(queue);
  // The worker was no zombie. If it had been, it would say so when it has handled the message.
  await calls.run(scripts.removeAbandonedLetter(calls.keys, { origin, beginning: '{"reason":"abandoned"' }));
  await until(() => seen.includes('next'));
});

it('the order of one client is kept while scripts are flushed and connections are cut', async () => {
  const server = await ownRedis();
  const proxy = await Proxy.before(server.url);
  const admin = clientOf(server);
  const queue = newQueueName();
  const client = startClient({ queue, url: proxy.url, enqueueTimeout: 60_000 });
  const worker: number[][] = [[], []];
  await startWorker(
    { queue, url: server.url, concurrency: 50 },
    {
      'step event': (payload) => {
        const { key, number } = payload as { key: number; number: number };
        worker[key]?.push(number);
        return Promise.resolve();
      },
    },
  );
  const failures: unknown[] = [];
  let stored = 0;
  const total = 3_000;
  for (let number = 0; number < total; number++) {
    const record = keyed(`k${String(number % 2)}`, { key: number % 2, number });
    client
      .emit('step event', record)
      .subscribe({ error: (error) => failures.push(error), complete: () => stored++ });
    if (number % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
    if (number % 100 === 50) await admin.script('FLUSH');
    if (number % 200 === 99) proxy.cut();
    if (number % 500 === 499) await until(() => stored + failures.length > number - 400);
  }
  await until(() => stored + failures.length === total);
  expect(failures).toEqual([]);
  await until(() => worker.flat().length >= total);
  for (const numbers of worker) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(worker.flat()).size).toBe(total);
  proxy.cut();
});

it('an ordering key whose message somebody has deleted by hand goes on', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  for (const name of ['deleted', 'next']) client.emit('step event', keyed('k', name));
  await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 1);
  const [{ id } = { id: '' }] = await eventsOf(queue);
  await redis.xdel(`${queue}(event_stream)`, id);
  const seen: unknown[] = [];
  await startWorker({ queue }, { 'step event': (payload) => Promise.resolve(seen.push(payload)) });
  await until(() => seen.length === 1);
  expect(seen).toEqual(['next']);
  await until(async () => (await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`)) === 0);
});

it('it goes on while messages with the key keep coming', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  await lastValueFrom(client.emit('step event', keyed('k', 0)), { defaultValue: undefined });
  const [{ id } = { id: '' }] = await eventsOf(queue);
  await redis.xdel(`${queue}(event_stream)`, id);
  const seen: unknown[] = [];
  await startWorker({ queue }, { 'step event': (payload) => Promise.resolve(seen.push(payload)) });
  let sent = 0;
  await until(async () => {
    await lastValueFrom(client.emit('step event', keyed('k', ++sent)), { defaultValue: undefined });
    return seen.length > 0;
  });
  await until(() => seen.length === sent);
  expect(seen).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
});

it('an ordering key goes on after a message that is no event', async () => {
  const queue = newQueueName();
  const fields = ['event', 'no JSON', 'reply_to', '', 'ordering_key', 'k', 'origin', '5-1'];
  const id = await redis.xadd(`${queue}(event_stream)`, '*', ...fields);
  await redis.hset(`${queue}(lanes)`, 'k', `5-1 ${String(id)} 1 0`);
  startClient({ queue }).emit('step event', keyed('k', 'next'));
  await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 1);
  const seen: unknown[] = [];
  // A lane is left alone for a lease, so nothing heals this one in time.
  const handlers = { 'step event': (payload: unknown) => Promise.resolve(seen.push(payload)) };
  await startWorker({ queue, lease: 600_000 }, handlers);
  await until(() => seen.length === 1);
  expect(seen).toEqual(['next']);
  expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'malformed', origin: '5-1' }]);
});

it('a client that sends ordering keys names the registered workers that know none', async () => {
  const queue = newQueueName();
  const [seconds] = await redis.time();
  const described = {
    seen: Number(seconds) * 1_000,
    ttl: 60_000,
    host: 'old-host',
    pid: 7,
    version: '0.0.1',
  };
  await redis.hset(`${queue}(workers)`, 'older', JSON.stringify(described));
  await startWorker({ queue }, { 'step event': () => Promise.resolve() });
  const client = startClient({ queue });
  client.emit('step event', keyed('k', 1));
  await until(() =>
    logs.some((line) => line.includes(`'${queue}'`) && line.includes('knows no ordering keys')),
  );
  const named = logs.filter((line) => line.includes(`'${queue}'`) && line.includes('knows no ordering keys'));
  expect(named).toEqual([expect.stringContaining('the worker on old-host, pid 7, version 0.0.1')]);
});

it('what the history hands out anew keeps its place in the order', async () => {
  const calls = new LaneCalls(newQueueName());
  const message = (number: number): Message => ({
    ...{ number, key: 'k', isRequest: false, isDeduplicated: false, isExpired: false, isPlaceless: false },
    ...{ origin: '', isCancelled: false, runsAt: undefined, end: undefined, isLoose: false },
  });
  await calls.enqueue([message(1), message(2)], [])();
  const [{ id } = { id: '' }] = await calls.entries();
  await redis.xgroup('CREATE', calls.keys.eventStream, 'elkmq', id);
  await redis.hset(calls.keys.history, { from: '-', start: id, until: id });
  await calls.cleanHistory();
  await calls.heal();
  const entries = await calls.entries();
  expect(entries.map(({ fields }) => fields[1])).toEqual([expect.stringContaining('"request_uuid":1,')]);
  expect(entries[0]?.id).not.toBe(id);
});
