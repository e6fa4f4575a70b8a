import { Cluster, Redis, type RedisOptions } from 'ioredis';
import {
  ElkMqClient,
  ElkMqRecordBuilder,
  ElkMqServer,
  EventQueue,
  InvalidOptionError,
  QueueAdmin,
  ServiceEvent,
  Topic,
  type RedisSourceInput,
} from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../scripts/redis.js';
import { listening, logs, startClient } from '../support/nest.js';
import { closing, failureWith, keysOf, newQueueName, redis, url } from '../support/queue.js';

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

describe('where Redis is can be said as', () => {
  const { hostname, port } = new URL(url);

  it('a URL', async () => {
    expect(await roundTrip(url)).toBe('hello');
  });

  it('a URL with a database', async () => {
    const name = newQueueName();
    expect(await roundTrip(`${url}/3`, name)).toBe('hello');
    const database = new Redis({ ...redis.options, db: 3 });
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
    expect(await instance.time()).toHaveLength(2);
  });

  it('an instance that is not connected', async () => {
    const instance = new Redis(url, { lazyConnect: true });
    expect(await roundTrip(instance)).toBe('hello');
    expect(instance.status).toBe('wait');
  });

  it('a function that makes an instance', async () => {
    expect(await roundTrip(() => new Redis(url, { lazyConnect: true }))).toBe('hello');
  });
});

it('options of ioredis that change what commands answer change nothing', async () => {
  const { hostname, port } = new URL(url);
  const redis = { host: hostname, port: Number(port), stringNumbers: true, blockingTimeout: 1 };
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, redis });
  server.addHandler('add', (value: number) => Promise.resolve(value + 1));
  await listening(server);
  const client = startClient({ queue, redis });
  const shared = new ElkMqRecordBuilder(1).setDeduplicationKey('key').build();
  expect(await lastValueFrom(client.send('add', shared))).toBe(2);
  await server.close();
  expect(logs.filter((line) => line.includes('not settled'))).toEqual([]);
});

describe('what cannot be right is refused at once, with a message that says what is accepted:', () => {
  it.each<[string, unknown, RegExp]>([
    ['no URL', 'localhost', /url must be a URL such as redis:\/\/127\.0\.0\.1:6379.*got "localhost"/],
    ['another protocol', 'http://localhost', /got one with the protocol "http:"/],
    ['a number', 6379, /redis must be a URL, ioredis options, .* got 6379/],
    ['null', null, /got null/],
    ['a key prefix', { keyPrefix: 'app:' }, /keyPrefix must not be set, got "app:"/],
    ['a key prefix in a URL', 'redis://localhost?keyPrefix=app:', /keyPrefix must not be set, got "app:"/],
    [
      'a database that is none',
      'redis://localhost/one',
      /the database must be a whole number from 0, got "one"/,
    ],
    ['a database below 0', { db: -1 }, /the database must be a whole number from 0, got -1/],
    ['a port that is no number', { port: NaN }, /port must be a whole number from 1 to 65535, got NaN/],
    ['a port that is too large', { port: 65_536 }, /port must be a whole number from 1 to 65535, got 65536/],
    ['a port below 1', { port: -1 }, /port must be a whole number from 1 to 65535, got -1/],
    ['the text of no port', { port: '6379a' }, /port must be .*, got "6379a"/],
    ['no port', { port: null }, /port must be .*, got null/],
    ['a port of a URL', 'redis://localhost:0', /port must be .*, got "0"/],
    ['a port behind a URL', 'redis://localhost?port=x', /port must be .*, got "x"/],
    ['an instance with a port', new Redis({ port: NaN, lazyConnect: true }), /port must be .*, got NaN/],
    ['a host that is no string', { host: 7 }, /host must be a string, got 7/],
    [
      'a cluster with a database',
      new Cluster([], { redisOptions: { db: 1 }, lazyConnect: true }),
      /db must be 0 on Redis Cluster, got 1/,
    ],
    ['a password with a bare %', 'redis://user:50%@localhost', /percent-encoded/],
    [
      'an instance with a key prefix',
      new Redis({ keyPrefix: 'app:', lazyConnect: true }),
      /keyPrefix must not be set/,
    ],
    [
      'a cluster with a key prefix',
      new Cluster([], { keyPrefix: 'app:', lazyConnect: true }),
      /keyPrefix must not be set, got "app:"/,
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

  it.each([
    ['a client', (redis: RedisOptions) => new ElkMqClient({ queue: 'orders', redis })],
    ['a server', (redis: RedisOptions) => new ElkMqServer({ queue: 'orders', redis })],
    ['a topic', (redis: RedisOptions) => new Topic('orders', redis)],
    ['a QueueAdmin', (redis: RedisOptions) => new QueueAdmin('orders', redis)],
  ])('a wrong port, also by %s', (_what, make) => {
    expect(() => make({ port: NaN })).toThrow('port must be a whole number from 1 to 65535, got NaN');
  });

  it('a cluster with a key prefix, also by a client that has not connected yet', () => {
    const redis = new Cluster([], { keyPrefix: 'app:', lazyConnect: true });
    expect(() => new ElkMqClient({ queue: 'orders', redis })).toThrow(
      /keyPrefix must not be set, got "app:"/,
    );
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
  const error = await failureWith(/WRONGPASS/, () => queue.enqueue(new ServiceEvent(1, 'greet')));
  expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
});
