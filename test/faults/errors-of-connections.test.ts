import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { ConnectionError } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { event, failuresOf } from '../support/calls.js';
import { hastyQueue } from '../support/event-queue.js';
import { fakeRedis } from '../support/fake-redis.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';

describe('a Redis that cannot be reached', () => {
  it('is a ConnectionError of every call within the time allowed', async () => {
    const queue = hastyQueue('redis://127.0.0.1:1');
    // A busy machine may need several tries.
    await until(async () => {
      const start = performance.now();
      for (const [, error] of await failuresOf(queue)) {
        expect(error).toBeInstanceOf(ConnectionError);
        expect(error).toMatchObject({
          code: 'CONNECTION_FAILED',
          message: expect.stringMatching(/^no connection to Redis within \d+ ms: .*ECONNREFUSED/) as string,
          cause: expect.any(Error) as Error,
        });
      }
      return performance.now() - start < 3_000;
    });
  });

  it('is one within that time also for what waits behind thousands of others', async () => {
    const queue = hastyQueue('redis://127.0.0.1:1', newQueueName(), 300);
    // A busy machine may need several tries.
    await until(async () => {
      const start = performance.now();
      const calls = Array.from({ length: 20_000 }, () => queue.enqueue(event));
      expect((await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled')).toEqual([]);
      return performance.now() - start < 3_000;
    });
  });

  it('is a ConnectionError as well when it accepts connections and says nothing', async () => {
    const mute = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const queue = hastyQueue(`redis://127.0.0.1:${(mute.address() as AddressInfo).port}`);
    for (const [, error] of await failuresOf(queue)) {
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    }
    await queue.close();
    mute.close();
  });

  it('is asked again soon while it loads, however long it says that takes', async () => {
    const { url, asked } = await fakeRedis('loading:1\r\nloading_eta_seconds:600');
    hastyQueue(url);
    await until(() => asked() >= 3);
  });

  it('is found as soon as it is there', async () => {
    const server = await ownRedis();
    await server.kill();
    const queue = hastyQueue(server.url, newQueueName(), 10_000);
    const stored = queue.enqueue(event);
    await server.restart();
    await stored;
    expect((await queue.dequeue())[1].uuid).toBe(event.uuid);
  });

  it('does not spoil the queue: later calls succeed when it is back', async () => {
    const server = await ownRedis();
    const queue = hastyQueue(server.url);
    await queue.enqueue(event);
    await server.kill();
    for (const [, error] of await failuresOf(queue))
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    await server.restart();
    await until(() =>
      queue.enqueue(event).then(
        () => true,
        () => false,
      ),
    );
    expect((await queue.dequeueBlocking(5))[1].uuid).toBe(event.uuid);
  });
});

describe('a password', () => {
  it.each(['redis://:s3cret@', 'redis://nobody:s3cret@', 'redis://'])(
    'that is not right is a ConnectionError, which says so and not the password: %s',
    async (start) => {
      const server = await ownRedis();
      await clientOf(server).config('SET', 'requirepass', 'right');
      const queue = hastyQueue(`${start}127.0.0.1:${server.port}`);
      for (const [, error] of await failuresOf(queue)) {
        expect(error).toMatchObject({
          code: 'CONNECTION_FAILED',
          message: expect.stringMatching(/WRONGPASS|NOAUTH/) as string,
        });
        expect(String(error)).not.toMatch(/s3cret|right/);
      }
    },
  );
});
