import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { ElkMqServer, ServiceEvent } from 'nestjs-elkmq';
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { clientOf, ownRedis, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { deadLettersOf, events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { listening, valuesOf } from '../support/nest.js';
import { closing, failureWith, newQueueName, redisMajor, rejection, until } from '../support/queue.js';
import { isAboutServer } from '../support/test-redis.js';

/** A worker that is ready, and a client, of a server that tests may trouble. */
async function startBehindProxy(server: PrivateRedis) {
  const proxy = closing(await Proxy.before(server.url));
  const { url } = proxy;
  const queue = newQueueName();
  const noted: unknown[] = [];
  const prices = new Subject<number>();
  const handlers = [
    requests({ echo: (data: unknown) => data, prices: () => prices }),
    events({ note: (data: unknown) => void noted.push(data), wait: () => prices }),
  ];
  await startApp(moduleOf(...handlers), { queue, url });
  const client = startClient({ queue, url });
  expect(await valuesOf(client.send('echo', 0))).toEqual([0]);
  /** Lines of warning that name the queue. */
  const warnings = () =>
    logs.filter((line) => /^(warn|error)/.test(line) && line.includes(queue) && !isAboutServer(line));
  return { queue, client, noted, prices, warnings, proxy };
}

/** Waits until clients have tried again and again. */
async function moreRequests(proxy: Proxy): Promise<void> {
  const before = proxy.requests;
  await until(() => proxy.requests >= before + 10);
}

describe('while the memory of Redis is full', () => {
  it('send and emit say so, and what is running is answered and settled', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const { queue, client, prices } = await startBehindProxy(server);
    const seen: number[] = [];
    const answer = valuesOf(client.send<number>('prices', {}));
    client.send<number>('prices', {}).subscribe((price) => seen.push(price));
    client.emit('wait', {});
    await until(async () => (await admin.xlen(`${queue}(event_stream)`)) === 3 && prices.observed);
    await admin.config('SET', 'maxmemory', '1');
    const full = { code: 'ENQUEUE_FAILED', message: expect.stringContaining('OOM') as string };
    expect(await rejection(valuesOf(client.send('echo', 1)))).toMatchObject(full);
    expect(await rejection(valuesOf(client.emit('note', 1)))).toMatchObject(full);
    prices.next(1);
    await until(() => seen.length === 1);
    prices.complete();
    expect(await answer).toEqual([1]);
    await until(async () => (await admin.xlen(`${queue}(event_stream)`)) === 0);
    await admin.config('SET', 'maxmemory', '0');
    expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });
});

describe('calls wait, and succeed, ', () => {
  it('while a script of somebody else keeps Redis busy', async () => {
    const server = await ownRedis('--lua-time-limit', '50');
    const { client, noted, warnings, proxy } = await startBehindProxy(server);
    const admin = clientOf(server);
    // While Redis is busy a new connection does not become ready.
    await admin.ping();
    const busy = rejection(clientOf(server).eval('while true do end', 0));
    await until(async () => /BUSY/.test(String(await rejection(admin.get('key')).catch(() => ''))));
    const answer = valuesOf(client.send('echo', 1));
    const emitted = valuesOf(client.emit('note', 1));
    await moreRequests(proxy);
    await admin.script('KILL');
    await busy;
    expect(await answer).toEqual([1]);
    await emitted;
    await until(() => noted.length === 1);
    // The longer Redis is busy, the more kinds of work are held up. Each kind is told once.
    expect(warnings()).toEqual([...new Set(warnings())]);
    for (const line of warnings()) expect(line).toMatch(/BUSY/);
  });

  it('while Redis is a replica, until it is the master again', async () => {
    const server = await ownRedis();
    const { client, noted, warnings, proxy } = await startBehindProxy(server);
    const admin = clientOf(server);
    await admin.replicaof('127.0.0.1', 1);
    const answer = valuesOf(client.send('echo', 1));
    const emitted = valuesOf(client.emit('note', 1));
    await moreRequests(proxy);
    await admin.replicaof('NO', 'ONE');
    expect(await answer).toEqual([1]);
    await emitted;
    await until(() => noted.length === 1);
    expect(warnings().filter((line) => line.includes('is lost')).length).toBeLessThanOrEqual(2);
    expect(warnings().length).toBeLessThanOrEqual(4);
  });

  it('when another Redis has become the master behind the same address', async () => {
    const [one, other] = await Promise.all([ownRedis(), ownRedis()]);
    const proxy = closing(await Proxy.before(one.url));
    const queue = newQueue(newQueueName(), proxy.url);
    await queue.enqueue(new ServiceEvent(60, 'a', 'first'));
    proxy.leadTo(other.url);
    await clientOf(one).replicaof('127.0.0.1', 1);
    await queue.enqueue(new ServiceEvent(60, 'a', 'second'));
    expect(await payloadsOf(queue.name, clientOf(other))).toEqual(['second']);
  });

  it('while Redis loads what was on disk', async () => {
    // Redis loads slowly enough to be seen loading.
    const slow = ['--key-load-delay', '10000'];
    const server = await ownRedis(...slow);
    const { client, noted } = await startBehindProxy(server);
    const admin = clientOf(server);
    for (let key = 0; key < 60; key++) await admin.set(`key-${key}`, randomBytes(100_000).toString('hex'));
    await admin.save();
    await server.kill();
    const answer = valuesOf(client.send('echo', 1));
    const emitted = valuesOf(client.emit('note', 1));
    const looks = new Redis(server.url, { enableReadyCheck: false, retryStrategy: () => 20 });
    looks.on('error', () => undefined);
    const restarted = server.restart();
    await until(async () => /LOADING/.test(String(await looks.get('key').catch((error: unknown) => error))));
    looks.disconnect();
    await restarted;
    expect(await answer).toEqual([1]);
    await emitted;
    await until(() => noted.length === 1);
  });

  it.skipIf(redisMajor < 7)('while Redis has fewer replicas than it wants', async () => {
    const server = await ownRedis();
    const { client, noted, prices, proxy } = await startBehindProxy(server);
    const answer = valuesOf(client.send('prices', {}));
    await until(() => prices.observed);
    await clientOf(server).config('SET', 'min-replicas-to-write', 1);
    const emitted = valuesOf(client.emit('note', 1));
    prices.next(1);
    prices.complete();
    await moreRequests(proxy);
    expect(noted).toEqual([]);
    await clientOf(server).config('SET', 'min-replicas-to-write', 0);
    expect(await answer).toEqual([1]);
    await emitted;
    await until(() => noted.length === 1);
  });

  it.skipIf(redisMajor < 7)(
    'of a worker that starts as well, for as long as its connectTimeout',
    async () => {
      const server = await ownRedis();
      const admin = clientOf(server);
      const queue = newQueueName();
      await admin.config('SET', 'min-replicas-to-write', 1);
      // On a busy machine the time may be over before Redis has answered at all.
      const error = await failureWith(/within 300 ms.*NOREPLICAS/, () =>
        listening(new ElkMqServer({ queue, url: server.url, connectTimeout: 300 })),
      );
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
      const started = listening(new ElkMqServer({ queue, url: server.url }));
      await until(async () => /evalsha/.test(await admin.info('commandstats')));
      await admin.config('SET', 'min-replicas-to-write', 0);
      await started;
    },
  );

  it('when Redis has forgotten its scripts, and when the group was deleted', async () => {
    const server = await ownRedis();
    const { queue, client, warnings } = await startBehindProxy(server);
    const admin = clientOf(server);
    await admin.script('FLUSH');
    expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
    await admin.xgroup('DESTROY', `${queue}(event_stream)`, 'elkmq');
    expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
    await admin.del(`${queue}(event_stream)`);
    expect(await valuesOf(client.send('echo', 3))).toEqual([3]);
    expect(warnings()).toEqual([]);
  });

  it('of an EventQueue as well', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const proxy = closing(await Proxy.before(server.url));
    const queue = newQueue(newQueueName(), proxy.url);
    await queue.enqueue(new ServiceEvent(60, 'a', 'first'));
    await admin.replicaof('127.0.0.1', 1);
    const stored = queue.enqueue(new ServiceEvent(60, 'a', 'second'));
    const taken = queue.dequeueBlocking(10);
    await moreRequests(proxy);
    await admin.replicaof('NO', 'ONE');
    await stored;
    expect((await taken)[1].payload).toBe('first');
    expect((await queue.dequeue())[1].payload).toBe('second');
  });
});

it('a worker or a client that gets only one of its two connections says so, and goes on when it gets the other', async () => {
  const server = await ownRedis();
  const admin = clientOf(server);
  await admin.ping();
  const queue = newQueueName();
  const seen: unknown[] = [];
  const worker = new ElkMqServer({ queue, url: server.url });
  worker.addHandler('note', (data: unknown) => Promise.resolve(seen.push(data)));
  await admin.config('SET', 'maxclients', 2);
  await listening(worker);
  const told = (what: string) => logs.filter((line) => line.includes(queue) && line.includes(what)).length;
  await until(() => told('Redis has no connection for events: ') === 1);
  const connections = async () =>
    String(await admin.client('LIST'))
      .split('\n')
      .filter(Boolean).length;
  await admin.config('SET', 'maxclients', 3);
  await until(async () => (await connections()) === 3);
  await admin.config('SET', 'maxclients', 4);
  const client = startClient({ queue, url: server.url });
  await client.connect();
  const answer = valuesOf(client.send('note', 1));
  await until(() => told('Redis has no connection for replies: ') === 1);
  await admin.config('SET', 'maxclients', 100);
  expect(await answer).toEqual([1]);
  expect([seen, told('Redis has no connection')]).toEqual([[1], 2]);
});
