import { Cluster, Redis } from 'ioredis';
import {
  ElkMqClient,
  ElkMqServer,
  EventQueue,
  InvalidOptionError,
  ServiceEvent,
  type RedisSourceInput,
} from 'nestjs-elkmq';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../scripts/redis.js';
import { listening } from './support/nest.js';
import { closing, keysOf, newQueueName, rejection, until, url } from './support/queue.js';

/** Stores and takes one event; answers its payload. */
async function roundTrip(
  source: RedisSourceInput | undefined,
  name = newQueueName(),
): Promise<string | null> {
  const queue = closing(new EventQueue(name, source));
  await queue.enqueue(new ServiceEvent(10, 'greet', 'hello'));
  const [, event] = await queue.dequeue();
  await queue.close();
  return event.payload;
}

const SLOTS = 16_384;

/** A cluster of so many masters, which share the slots in turn: neighbours are never with the same one. */
async function startCluster(masters = 1): Promise<Cluster> {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  const servers = await Promise.all(Array.from({ length: masters }, () => startRedis({ args })));
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const [{ port } = { port: 0 }] = servers;
  for (const [place, server] of servers.entries()) {
    const admin = new Redis(server.url);
    await admin.call('CLUSTER', 'ADDSLOTS', ...slots.filter((slot) => slot % masters === place));
    if (place > 0) await admin.call('CLUSTER', 'MEET', '127.0.0.1', port);
    await admin.quit();
  }
  for (const server of servers) {
    const admin = new Redis(server.url);
    const info = async () => String(await admin.call('CLUSTER', 'INFO'));
    await until(async () => (await info()).includes('cluster_state:ok'), 20_000);
    await admin.quit();
  }
  // Dozens of connections begin at once here; on a busy machine a server needs more than the usual second for all of them.
  const cluster = new Cluster([{ host: '127.0.0.1', port }], { slotsRefreshTimeout: 10_000 });
  cluster.on('error', () => undefined);
  onTestFinished(() => {
    cluster.disconnect();
  });
  return cluster;
}

describe('where Redis is can be said as', () => {
  const { hostname, port } = new URL(url);

  it('a URL', async () => {
    expect(await roundTrip(url)).toBe('hello');
  });

  it('a URL with a database', async () => {
    const name = newQueueName();
    expect(await roundTrip(`${url}/3`, name)).toBe('hello');
    const database = new Redis(`${url}/3`);
    onTestFinished(async () => {
      await database.quit();
    });
    expect(await keysOf(name, database)).toEqual({ '(event_stream)': 'stream' });
    expect(await keysOf(name)).toEqual({});
  });

  it('options of ioredis', async () => {
    expect(await roundTrip({ host: hostname, port: Number(port) })).toBe('hello');
  });

  it('an instance, which stays open', async () => {
    const instance = new Redis(url);
    onTestFinished(async () => {
      await instance.quit();
    });
    expect(await roundTrip(instance)).toBe('hello');
    expect(await instance.ping()).toBe('PONG');
  });

  it('an instance that is not connected', async () => {
    const instance = new Redis(url, { lazyConnect: true });
    expect(await roundTrip(instance)).toBe('hello');
    expect(instance.status).toBe('wait');
  });

  it('a function that makes an instance', async () => {
    expect(await roundTrip(() => new Redis(url, { lazyConnect: true }))).toBe('hello');
  });

  it('a cluster, where all keys of a queue are in one slot', async () => {
    const cluster = await startCluster();
    const name = newQueueName();
    expect(await roundTrip(cluster, name)).toBe('hello');
    expect(await cluster.keys('*')).toEqual([`{${name}}(event_stream)`]);

    const server = new ElkMqServer({ queue: name, redis: cluster });
    server.addHandler('double', (value: number) => Promise.resolve(value * 2));
    await listening(server);
    const client = closing(new ElkMqClient({ queue: name, redis: cluster }));
    expect(await firstValueFrom(client.send('double', 21))).toBe(42);
  });
});

it('queues on a cluster of three servers work, whichever has them, and their workers leave when they are closed', async () => {
  const redis = await startCluster(3);
  const queues = Array.from({ length: 6 }, () => newQueueName());
  const closed = queues.map(async (queue) => {
    const server = new ElkMqServer({ queue, redis });
    server.addHandler('double', (value: number) => Promise.resolve(value * 2));
    await listening(server);
    const client = closing(new ElkMqClient({ queue, redis }));
    expect(await firstValueFrom(client.send('double', 21))).toBe(42);
    await server.close();
    expect(await redis.xinfo('CONSUMERS', `{${queue}}(event_stream)`, 'elkmq')).toEqual([]);
  });
  await Promise.all(closed);
}, 60_000);

describe('what cannot be right is refused at once, with a message that says what is accepted:', () => {
  it.each<[string, unknown, RegExp]>([
    ['no URL', 'localhost', /url must be a URL such as redis:\/\/127\.0\.0\.1:6379.*got "localhost"/],
    ['another protocol', 'http://localhost', /got one with the protocol "http:"/],
    ['a number', 6379, /redis must be a URL, ioredis options, .* got 6379/],
    ['null', null, /got null/],
    ['a key prefix', { keyPrefix: 'app:' }, /keyPrefix must not be set, got "app:"/],
    [
      'an instance with a key prefix',
      new Redis({ keyPrefix: 'app:', lazyConnect: true }),
      /keyPrefix must not be set/,
    ],
    [
      'a cluster that reads from replicas',
      new Cluster([], { scaleReads: 'slave', lazyConnect: true }),
      /scaleReads must be 'master', got "slave"/,
    ],
  ])('%s', (_what, source, message) => {
    expect(() => new EventQueue('orders', source as RedisSourceInput)).toThrow(InvalidOptionError);
    expect(() => new EventQueue('orders', source as RedisSourceInput)).toThrow(message);
  });

  it('a URL that cannot be read does not put its password into the message', () => {
    expect(() => new EventQueue('orders', 'redis://user:secret@host:port')).toThrow(/^(?!.*secret)/);
  });
});

it('a wrong password is told as such, within the bound', async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const admin = new Redis(server.url);
  await admin.config('SET', 'requirepass', 'right');
  await admin.quit();
  const queue = closing(
    new EventQueue('orders', server.url.replace('//', '//:wrong@'), { enqueueTimeout: 500 }),
  );
  const error = await rejection(queue.enqueue(new ServiceEvent(1, 'greet')));
  expect(error).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: expect.stringMatching(/WRONGPASS/) as string,
  });
});
