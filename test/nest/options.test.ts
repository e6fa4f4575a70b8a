import { Redis } from 'ioredis';
import { lastValueFrom } from 'rxjs';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, url } from '../support/queue.js';

describe('wrong options are refused, with the option, its value and what is accepted', () => {
  const queue = 'orders';
  const common: [options: unknown, message: string][] = [
    [undefined, "needs options, at least { queue: '…' }, got undefined"],
    ['orders', 'needs options, at least { queue: \'…\' }, got "orders"'],
    [{}, 'queue must be a string'],
    [{ queue: 7 }, 'queue must be a string'],
    [{ queue: '' }, 'queue must not be empty'],
    [{ queue, url: 'localhost:6379' }, 'url must be a URL such as redis://127.0.0.1:6379'],
    [{ queue, url: 'http://localhost' }, 'got one with the protocol "http:"'],
    [{ queue, url: '' }, 'got ""'],
    [
      { queue, redis: 6379 },
      'redis must be a URL, ioredis options, a Redis or Cluster instance, or a function',
    ],
    [{ queue, redis: { keyPrefix: 'app:' } }, 'keyPrefix must not be set, got "app:"'],
    [{ queue, url, redis: {} }, 'url and redis must not both be given'],
    [{ queue, serializer: {} }, 'serializer must have the method serialize, got an object'],
    [{ queue, serializer: 'x' }, 'serializer must have the method serialize, got "x"'],
    [
      { queue, deserializer: { serialize: () => 1 } },
      'deserializer must have the method deserialize, got an object',
    ],
    [{ queue, maxPayloadBytes: 0 }, 'maxPayloadBytes must be a whole number from 1 to 2147483647, got 0'],
  ];
  const client: [options: unknown, message: string | RegExp][] = [
    [
      { queue, prefetch: 1 },
      /^ElkMqClient has no option "prefetch"; it has credentials, deserializer, .*, timeout, topic, url$/,
    ],
    [{ queue, concurrency: 1 }, 'ElkMqClient has no option "concurrency"'],
    [{ queue, timeout: 0 }, 'timeout must be a number of milliseconds from 1 to 65535000, got 0'],
    [{ queue, timeout: '5s' }, 'timeout must be a number of milliseconds from 1 to 65535000, got "5s"'],
    [{ queue, eventTimeout: 1e9 }, 'eventTimeout must be a number of milliseconds from 1 to 65535000'],
    [{ queue, enqueueTimeout: null }, 'enqueueTimeout must be a number of milliseconds from 1 to 2147483647'],
    [{ queue, enqueueTimeout: Infinity }, 'got Infinity'],
  ];
  const server: [options: unknown, message: string | RegExp][] = [
    [{ queue, timeout: 1 }, /^ElkMqServer has no option "timeout"; it has after, concurrency, .*, url$/],
    [{ queue, concurrency: 1.5 }, 'concurrency must be a whole number from 1 to 2147483647, got 1.5'],
    [{ queue, concurrency: '8' }, 'concurrency must be a whole number from 1 to 2147483647, got "8"'],
    [
      { queue, drainTimeout: -1 },
      'drainTimeout must be a number of milliseconds from 1 to 2147483647, got -1',
    ],
    [{ queue, connectTimeout: NaN }, 'connectTimeout must be a number of milliseconds'],
    [{ queue, deadLetters: 7 }, 'deadLetters must be { max, maxAge }, got 7'],
    [{ queue, deadLetters: [] }, 'deadLetters must be { max, maxAge }, got an array of 0'],
    [{ queue, deadLetters: { maximum: 1 } }, 'deadLetters has no option "maximum"; it has max, maxAge'],
    [
      { queue, deadLetters: { max: 0 } },
      'deadLetters.max must be a whole number from 1 to 2147483647, got 0',
    ],
    [{ queue, deadLetters: { maxAge: '1d' } }, 'deadLetters.maxAge must be a number of milliseconds from 1'],
    [{ queue, transportId: 'orders' }, 'transportId must be a symbol, got "orders"'],
  ];

  it.each([...common, ...client])('of a client: %j', (options, message) => {
    expect(() => new ElkMqClient(options as never)).toThrow(message);
  });

  it.each([...common, ...server])('of a server: %j', (options, message) => {
    expect(() => new ElkMqServer(options as never)).toThrow(message);
  });

  it.each(['redis://:secret@[', 'redis://user:se@cret@host:port', '//:secret@host'])(
    'but not with the password of a URL: %s',
    (wrong) => {
      const create = () => new ElkMqClient({ queue, url: wrong });
      expect(create).toThrow(/^url must be a URL .*, got ".*…@/);
      expect(create).not.toThrow(/secret|cret@/);
    },
  );

  it('while options that are undefined count as not given', () => {
    expect(() => startClient({ queue, timeout: undefined } as never)).not.toThrow();
  });
});

describe('where Redis is', () => {
  const { hostname: host, port } = new URL(url);
  const options = { host, port: Number(port) };
  const echo = requests({ echo: (data: unknown) => data });

  it.each([
    ['a URL', { url }],
    ['options of ioredis', { redis: options }],
    [
      'options of ioredis that connect again after each error',
      { redis: { ...options, reconnectOnError: () => true } },
    ],
    ['a function that makes a client', { redis: () => new Redis({ ...options, lazyConnect: true }) }],
  ])('can be said with %s', async (_how, redis) => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue, url: undefined, ...redis });
    const client = startClient({ queue, url: undefined, ...redis });
    expect(await lastValueFrom(client.send('echo', 1))).toBe(1);
  });

  it('can be said with a client of the application, which stays open', async () => {
    const own = new Redis(url);
    onTestFinished(() => own.disconnect());
    const queue = newQueueName();
    const redis = { url: undefined, redis: own } as never;
    const app = await startApp(moduleOf(echo), { queue, ...(redis as object) });
    const client = startClient({ queue, ...(redis as object) });
    expect(await lastValueFrom(client.send('echo', 1))).toBe(1);
    await client.close();
    await app.close();
    expect(await own.time()).toHaveLength(2);
  });
});
