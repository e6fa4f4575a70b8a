import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { ConnectionError, QueueAdmin, type WorkerInfo } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { userWith } from '../support/rights.js';
import { events, logs, moduleOf, requests, startApp, startClient, told, valuesOf } from '../support/nest.js';
import { ownRedis } from '../support/own-redis.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { mayRun } from '../support/test-redis.js';
import { startDoomed, startWorker } from '../support/workers.js';

const manifest = createRequire(import.meta.url)('nestjs-elkmq/package.json') as { version: string };
const answer = () => Promise.resolve(1);

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

/** Has the worker said for the last time, a minute ago, who it is. */
async function silence(queue: string, name: string): Promise<void> {
  const key = `${queue}(workers)`;
  const said = JSON.parse(String(await redis.hget(key, name))) as WorkerInfo;
  await redis.hset(key, name, JSON.stringify({ ...said, seen: said.seen - 60_000 }));
}

function warningsOf(queue: string): string[] {
  return logs.filter(
    (line) => line.startsWith('warn') && line.includes(queue) && line.includes('other handlers'),
  );
}

describe('the workers of a queue', () => {
  it('are listed with what they say about themselves, those that started first first', async () => {
    const queue = newQueueName();
    await startWorker({ queue, lease: 20_000, concurrency: 7 }, { b: answer, a: answer });
    await startWorker({ queue }, { b: answer, a: answer });
    const workers = await adminOf(queue).workers();
    expect(workers).toEqual([
      {
        name: expect.stringContaining(`-${String(process.pid)}-`) as unknown,
        host: hostname(),
        pid: process.pid,
        version: manifest.version,
        queue,
        handlers: ['a', 'b'],
        concurrency: 7,
        running: 0,
        since: expect.any(Number) as unknown,
        lease: 20_000,
        paused: false,
        features: [
          'limits',
          'ordering_keys',
          'partitions',
          'pause',
          ...(mayRun('publish') ? ['pushed_replies'] : []),
        ],
        seen: expect.any(Number) as unknown,
      },
      expect.objectContaining({ concurrency: 256, lease: 1_000 }),
    ]);
    const [first, second] = workers as [WorkerInfo, WorkerInfo];
    expect(second.since).toBeGreaterThanOrEqual(first.since);
    expect(first.seen).toBeGreaterThanOrEqual(first.since);
  });

  it('say it again every few seconds, also when Redis has lost it', async () => {
    const queue = newQueueName();
    const end: (() => void)[] = [];
    await startWorker({ queue }, { event: () => new Promise<void>((resolve) => end.push(resolve)) });
    const admin = adminOf(queue);
    await told(startClient({ queue }).emit('event', {}));
    await until(() => end.length === 1);
    await redis.del(`${queue}(workers)`);
    expect(await admin.workers()).toEqual([]);
    await until(async () => (await admin.workers()).length === 1);
    expect(await admin.workers()).toMatchObject([{ running: 1 }]);
    end[0]?.();
  });

  it('are gone at once when they close, and leave nothing', async () => {
    const queue = newQueueName();
    const servers = [await startWorker({ queue }), await startWorker({ queue })];
    const admin = adminOf(queue);
    expect(await admin.state()).toMatchObject({ workers: 2 });
    await servers[0]?.close();
    expect(await admin.workers()).toHaveLength(1);
    expect(await admin.state()).toMatchObject({ workers: 1 });
    await servers[1]?.close();
    expect(await admin.state()).toMatchObject({ workers: 0 });
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream' });
  });

  it('do not have one that was killed, when it has been silent for a while', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const doomed = await startDoomed({ queue });
    const [{ name }] = (await admin.workers()) as [WorkerInfo];
    doomed.kill('SIGKILL');
    await until(() => doomed.ended !== undefined);
    await silence(queue, name);
    expect(await admin.workers()).toEqual([]);
    expect(await admin.state()).toMatchObject({ workers: 0 });
    // Nobody says anything any more: then nothing stays.
    const left = await redis.pttl(`${queue}(workers)`);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(15_000);
    // Another worker drops it from Redis.
    await startWorker({ queue });
    expect(await redis.hkeys(`${queue}(workers)`)).not.toContain(name);
    expect(await admin.workers()).toHaveLength(1);
  });

  it('are told in spite of what something else has written among them', async () => {
    const queue = newQueueName();
    const now = Date.now();
    const [key, admin] = [`${queue}(workers)`, adminOf(queue)];
    await redis.hset(
      key,
      'a',
      '',
      'b',
      'x',
      'c',
      '{"seen":1}',
      'd',
      `{"seen":${String(now)},"ttl":15000,"pid":1}`,
    );
    await redis.hset(key, 'e', `{"seen":${String(now)},"ttl":15000,`, 'f', '[]');
    expect(await admin.workers()).toEqual([]);
    await startWorker({ queue });
    expect(await admin.workers()).toMatchObject([{ host: hostname() }]);
    expect(warningsOf(queue)).toEqual([]);
  });

  it('handle messages where Redis lets none register, and say so', async () => {
    const server = await ownRedis();
    const [queue, options] = [newQueueName(), { url: await userWith(server, '-hscan') }];
    await startApp(moduleOf(requests({ ask: () => 'answered' })), { queue, ...options });
    expect(await valuesOf(startClient({ queue, ...options }).send('ask', {}))).toEqual(['answered']);
    const lines = () => logs.filter((line) => line.includes(queue) && line.includes('registry')).sort();
    await until(() => lines().length === 2);
    expect(lines().reverse()).toEqual([
      expect.stringMatching(/^warn .*Redis refuses HSCAN: the worker is in no registry/),
      expect.stringMatching(/^error .*the registry of the queue's workers: held up/),
    ]);
  });

  it('cannot be asked for when Redis is away, or when the admin is closed', async () => {
    const away = closing(new QueueAdmin('away', 'redis://127.0.0.1:1'));
    expect(await rejection(away.workers(50))).toBeInstanceOf(ConnectionError);
    expect(await rejection(away.state(50))).toBeInstanceOf(ConnectionError);
    const closed = new QueueAdmin(newQueueName(), url);
    await closed.close();
    await closed.close();
    expect(await rejection(closed.workers())).toBeInstanceOf(ConnectionError);
  });
});

describe('a server warns at its start', () => {
  it('of workers of its queue that have other handlers: which, and where', async () => {
    const queue = newQueueName();
    const orders = () => moduleOf(requests({ 'order.total': () => 1, both: () => 2 }));
    await startApp(orders(), { queue });
    await startApp(orders(), { queue });
    expect(warningsOf(queue)).toEqual([]);
    await startApp(moduleOf(requests({ both: () => 2 }), events({ 'mail.*': () => 3 })), { queue });
    const where = `${hostname()}, pid ${String(process.pid)} (and 1 more like it)`;
    expect(warningsOf(queue)).toEqual([
      expect.stringContaining(
        `Queue '${queue}': the worker on ${where} has other handlers: only it has "order.total"; only this worker has "mail.*"`,
      ),
    ]);
  });

  it('not of those of another queue, and not of those that have gone', async () => {
    const [queue, other] = [newQueueName(), newQueueName()];
    await startWorker({ queue: other }, { a: answer });
    const gone = await startWorker({ queue }, { a: answer });
    await gone.close();
    await startWorker({ queue }, { b: answer });
    expect(warningsOf(queue)).toEqual([]);
  });
});
