import { ElkMqRecordBuilder, QueueAdmin, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { entriesOf, eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { deadLettersOf, events, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, told, unsettled } from '../support/nest.js';
import { clientOf, durableRedis } from '../support/own-redis.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

/** A message is on time when it is late by less. Workers look once a second for what nobody has told them of. */
const LATE_MS = 500;

interface Arrival {
  readonly data: unknown;
  /** `Date.now()` */
  readonly at: number;
  readonly attempt: number;
}

/** A controller that notes what comes to `note` (event) and `ask` (request). */
function noting() {
  const arrivals: Arrival[] = [];
  const note = (data: unknown, context: ElkMqContext): unknown => {
    arrivals.push({ data, at: Date.now(), attempt: context.getAttempt() });
    return data;
  };
  // A function of its own for each: decorators keep what they say on the function.
  const ask: typeof note = (data, context) => note(data, context);
  return { arrivals, module: moduleOf(events({ note }), requests({ ask })) };
}

function delayed<T>(data: T, delay: number): ElkMqRecordBuilder<T> {
  return new ElkMqRecordBuilder(data).setDelay(delay);
}

function delayedCount(queue: string, client = redis): Promise<number> {
  return client.zcard(`${queue}(delayed)`);
}

describe('a delayed message comes when it is due', () => {
  it.each([50, 400, 1_600, 3_000])('an event after %d ms', async (delay) => {
    const queue = newQueueName();
    const { arrivals, module } = noting();
    await startApp(module, { queue });
    const client = startClient({ queue });
    // A busy machine may need several tries to be on time.
    await until(async () => {
      const before = Date.now();
      await lastValueFrom(client.emit('note', delayed('later', delay).build()), { defaultValue: undefined });
      const stored = Date.now();
      await until(() => arrivals.length === 1);
      const [arrival] = arrivals.splice(0) as [Arrival];
      expect(arrival).toMatchObject({ data: 'later', attempt: 1 });
      expect(arrival.at - before).toBeGreaterThanOrEqual(delay);
      return arrival.at - stored < delay + LATE_MS;
    });
    await until(async () => (await unsettled(queue)) === 0);
    expect(Object.keys(await keysOf(queue))).not.toContain('(delayed)');
  });

  it('a request, whose timeout counts from then', async () => {
    const queue = newQueueName();
    await startApp(noting().module, { queue });
    const client = startClient({ queue });
    await client.connect();
    const record = delayed('later', 1_500).setTimeout(1_000).build();
    // A busy machine may need several tries to answer in time.
    await until(async () => {
      const before = Date.now();
      const answer = await lastValueFrom(client.send('ask', record)).catch((error: unknown) => error);
      expect(Date.now() - before).toBeGreaterThanOrEqual(1_500);
      return answer === 'later';
    });
  });

  it('beside others, in the order in which they are due', async () => {
    const queue = newQueueName();
    const { arrivals, module } = noting();
    await startApp(module, { queue });
    const client = startClient({ queue });
    for (const delay of [600, 200, 400]) client.emit('note', delayed(delay, delay).build());
    client.emit('note', 'now');
    await until(() => arrivals.length === 4);
    expect(arrivals.map(({ data }) => data)).toEqual(['now', 200, 400, 600]);
  });

  it('with its headers', async () => {
    const queue = newQueueName();
    const headers: unknown[] = [];
    const note = (_data: unknown, context: ElkMqContext) => headers.push(context.getHeaders());
    await startApp(moduleOf(events({ note })), { queue });
    startClient({ queue }).emit('note', delayed(1, 20).setHeaders({ tenant: 'blue' }).build());
    await until(() => headers.length === 1);
    expect(headers).toEqual([{ tenant: 'blue' }]);
  });
});

describe('delayed messages are announced to the workers', () => {
  /** Sends all in one batch. @returns what the stream has then: due times less that of the first message, ms */
  async function announced(delays: readonly number[]): Promise<number[]> {
    const queue = newQueueName();
    const client = startClient({ queue });
    await client.connect();
    await Promise.all(
      delays.map((delay) =>
        lastValueFrom(client.emit('note', delayed(delay, delay).build()), { defaultValue: 0 }),
      ),
    );
    const bodies = Object.entries(await redis.hgetall(`${queue}(delayed_bodies)`));
    expect(new Set(bodies.map(([id]) => id)).size).toBe(delays.length);
    const dues = bodies.map(([, json]) => Number(/"due","(\d+)"/.exec(json)?.[1]));
    const first = Math.min(...dues) - Math.min(...delays);
    return (await entriesOf(`${queue}(event_stream)`)).map(({ fields: [name, due] }) => {
      expect(name).toBe('due');
      return Number(due) - first;
    });
  }

  it('by one entry for all that become due at once', async () => {
    expect(await announced(Array<number>(200).fill(1_000))).toEqual([1_000]);
  });

  it('by one entry for each that comes before those that are there already', async () => {
    expect(await announced([2_000, 1_000, 1_500, 500])).toEqual([2_000, 1_000, 500]);
  });

  it('by none when workers notice in time', async () => {
    expect(await announced([60_000, 50_000])).toEqual([]);
  });
});

describe('the entry that announces a delayed message', () => {
  const body = (origin: string) =>
    JSON.stringify(['event', '{}', 'reply_to', '', 'due', '1', 'origin', origin]);

  /** A queue with delayed messages that are due, and the entries that the stream has for them. */
  async function due(
    entries: readonly (readonly [id: string, ...fields: string[]])[],
    others: string[] = [],
  ) {
    const keys = new QueueKeys(newQueueName(), false);
    await redis.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM');
    for (const [id, ...fields] of entries) await redis.xadd(keys.eventStream, id, ...fields);
    for (const origin of [...entries.map(([id]) => id), ...others]) {
      await redis.zadd(keys.delayed, 1, origin);
      await redis.hset(keys.delayedBodies, origin, body(origin));
    }
    const promote = () =>
      runScript(redis, scripts.promote(keys, { group: GROUP, limit: 10, maxBytes: 10_000 }));
    const names = async () => (await entriesOf(keys.eventStream)).map(({ fields: [name] }) => name);
    return { keys, promote, names };
  }

  it('goes when its message comes into the queue', async () => {
    const { promote, names } = await due([['1-1', 'due', '1']]);
    await promote();
    expect(await names()).toEqual(['event']);
  });

  it('goes when its message is run now', async () => {
    const { keys, names } = await due([['1-1', 'due', '1']]);
    await runScript(redis, scripts.runDelayed(keys, { group: GROUP, budget: 1_000, origins: ['1-1'] }));
    expect(await names()).toEqual(['event']);
  });

  it('stays for the worker that has taken it', async () => {
    const { keys, promote, names } = await due([['1-1', 'due', '1']]);
    await redis.xreadgroup('GROUP', GROUP, 'c', 'COUNT', 1, 'STREAMS', keys.eventStream, '>');
    await promote();
    expect(await names()).toEqual(['due', 'event']);
  });

  it('is no message, and a message with the id of another one, and origins that are no ids, change nothing', async () => {
    const { keys, promote, names } = await due(
      [['1-1', 'event', '{}']],
      ['-', '+', '1', `${'9'.repeat(30)}-1`],
    );
    await promote();
    expect(await names()).toEqual(Array(6).fill('event'));
    expect(await redis.exists(keys.delayed)).toBe(0);
  });

  it('does not count as a message where the queue is full, or is to be empty', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    await admin.pause();
    await startApp(noting().module, { queue });
    const client = startClient({ queue, maxQueueLength: 2 });
    for (let sent = 1; sent <= 2; sent++) {
      await told(client.emit('note', delayed(sent, 20).build()));
      await until(async () => (await delayedCount(queue)) === 0);
    }
    expect(await admin.state()).toMatchObject({ waiting: 2, delayed: 0 });
    expect((await admin.messages('waiting')).messages).toHaveLength(2);
    expect(await admin.purge('waiting')).toBe(2);
    expect(await admin.state()).toMatchObject({ waiting: 0 });
  });
});

describe('a delayed message is safe', () => {
  it('when there is no worker yet', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await lastValueFrom(client.emit('note', delayed('kept', 100).build()), { defaultValue: undefined });
    const first = noting();
    const app = await startApp(first.module, { queue });
    await app.close();
    const second = noting();
    if (first.arrivals.length === 0) await startApp(second.module, { queue });
    await until(() => first.arrivals.length + second.arrivals.length === 1);
  });

  it('when Redis is killed and started again', async () => {
    const server = await durableRedis();
    const queue = newQueueName();
    const { arrivals, module } = noting();
    await startApp(module, { queue, url: server.url });
    const client = startClient({ queue, url: server.url });
    const before = Date.now();
    const stored = [300, 900, 1_500].map((delay) =>
      lastValueFrom(client.emit('note', delayed(delay, delay).build()), { defaultValue: undefined }),
    );
    await Promise.all(stored);
    await server.restart();
    await until(() => arrivals.length === 3);
    for (const { data, at } of arrivals) expect(at - before).toBeGreaterThanOrEqual(Number(data));
    expect(arrivals.map(({ data }) => data)).toEqual([300, 900, 1_500]);
    await until(async () => (await eventsOf(queue, clientOf(server))).length === 0);
  });

  it('when many workers look for it at once: each is handed out once', async () => {
    const queue = newQueueName();
    const workers = Array.from({ length: 6 }, noting);
    for (const { module } of workers) await startApp(module, { queue });
    const client = startClient({ queue });
    const ids = Array.from({ length: 600 }, (_, id) => id);
    for (const id of ids) client.emit('note', delayed(id, 200 + (id % 7)).build());
    const seen = () => workers.flatMap(({ arrivals }) => arrivals.map(({ data }) => Number(data)));
    await until(() => seen().length >= ids.length);
    await until(async () => (await unsettled(queue)) === 0);
    expect(seen().sort((a, b) => a - b)).toEqual(ids);
  });

  it.each([
    ['no JSON', 'no JSON'],
    ['no array', '7'],
    ['no fields', '[]'],
    ['an object', '{"event":"x"}'],
    ['a name without a value', '["event"]'],
    ['values that are no text', '["event",{}]'],
    ['more fields than Redis can take', JSON.stringify(Array<string>(10_000).fill('x'))],
  ])('when its place in Redis was damaged: %s is a dead letter, and holds up nothing', async (_, body) => {
    const queue = newQueueName();
    await redis.zadd(`${queue}(delayed)`, 1, '1-1');
    await redis.hset(`${queue}(delayed_bodies)`, '1-1', body);
    const { arrivals, module } = noting();
    await startApp(module, { queue });
    startClient({ queue }).emit('note', delayed('good', 10).build());
    await until(() => arrivals.length === 1);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'malformed' }]);
  });
});

it('a delayed message that cannot be put into the queue does not make those before it come twice', async () => {
  const keys = new QueueKeys(newQueueName(), false);
  const fields = (origin: string, ...more: string[]) =>
    JSON.stringify(['event', '{}', 'reply_to', '', ...more, 'origin', origin]);
  await redis.zadd(keys.delayed, 1, '1-1', 2, '2-2');
  await redis.hset(keys.delayedBodies, '1-1', fields('1-1'), '2-2', fields('2-2', 'ordering_key', 'k'));
  // The second one would be the first to wait for its key, and the count of such keys is no number.
  await redis.hset(keys.lanes, { k: '9-9', '': 'no number' });
  const promote = () => runScript(redis, scripts.promote(keys, { group: GROUP, limit: 10, maxBytes: 1_000 }));
  for (let run = 0; run < 3; run++) expect(String(await rejection(promote()))).toContain('not an integer');
  expect(await redis.xlen(keys.eventStream)).toBe(1);
  expect(await redis.zrange(keys.delayed, 0, -1)).toEqual(['2-2']);
  await redis.hdel(keys.lanes, '');
  await promote();
  expect(await redis.hlen(keys.laneBodies)).toBe(1);
  expect(await redis.zcard(keys.delayed)).toBe(0);
});

it('a time before all times holds up no delayed message', async () => {
  const queue = newQueueName();
  const { arrivals, module } = noting();
  await startApp(module, { queue });
  startClient({ queue }).emit('note', delayed('good', 10).build());
  await until(() => arrivals.length === 1);
  // From now on nothing wakes the worker: it finds these by itself.
  await redis.hset(`${queue}(delayed_bodies)`, '1-1', 'no JSON', '2-2', 'nor this');
  await redis.zadd(`${queue}(delayed)`, '-inf', '1-1', Date.now() + 300, '2-2');
  await until(async () => (await deadLettersOf(queue)).length === 2);
  expect(await delayedCount(queue)).toBe(0);
});

describe('a delayed request that nobody waits for any more is cancelled', () => {
  it.each([
    ['soon', 2_000],
    ['much later', 60_000],
  ])('when it would be due %s', async (_when, delay) => {
    const queue = newQueueName();
    const subscription = startClient({ queue }).send('ask', delayed(1, delay).build()).subscribe();
    await until(async () => (await delayedCount(queue)) === 1);
    subscription.unsubscribe();
    await until(async () => (await delayedCount(queue)) === 0);
    await until(async () => (await unsettled(queue)) === 0);
    expect(await redis.exists(`${queue}(delayed_bodies)`)).toBe(0);
  });

  it('when its client closes', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const outcome = rejection(lastValueFrom(client.send('ask', delayed(1, 60_000).build())));
    await until(async () => (await delayedCount(queue)) === 1);
    await client.close();
    expect(await outcome).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(await delayedCount(queue)).toBe(0);
  });
});

it('a delayed event expires when no worker took it within its timeout from when it was due', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  const record = delayed('late', 300).setTimeout(1_000).build();
  await lastValueFrom(client.emit('note', record), { defaultValue: undefined });
  const body = await redis.hgetall(`${queue}(delayed_bodies)`);
  const [origin, json] = Object.entries(body)[0] as [string, string];
  const long = Date.now() - 1_500;
  const aged = json.replace(/"due","\d+"/, `"due","${long}"`);
  await redis.hset(`${queue}(delayed_bodies)`, origin, aged);
  const { arrivals, module } = noting();
  await startApp(module, { queue });
  await until(async () => (await deadLettersOf(queue)).length === 1);
  expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'expired', origin }]);
  expect(arrivals).toEqual([]);
});

it('an EventQueue that shares the queue is not given what only tells workers of a delay', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  await lastValueFrom(client.emit('note', delayed('later', 500).build()), { defaultValue: undefined });
  expect(await unsettled(queue)).toBe(1);
  const consumer = newQueue(queue);
  expect(await rejection(consumer.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
  expect(await unsettled(queue)).toBe(0);
  expect(await delayedCount(queue)).toBe(1);
});

it.each([-1, NaN, '5s', 3e9])('a delay of %j is refused', (delay) => {
  expect(() => new ElkMqRecordBuilder(1).setDelay(delay as number)).toThrow(
    'delay must be a number of milliseconds from 0 to 2000000000',
  );
});
