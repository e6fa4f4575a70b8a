import { type Redis } from 'ioredis';
import { ElkMqServer, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../support/entries.js';
import { event, failuresOf } from '../support/calls.js';
import { hastyQueue, newQueue } from '../support/event-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { listening } from '../support/nest.js';
import { keysOf, newQueueName, redis, rejection, url } from '../support/queue.js';

describe('what Redis refuses', () => {
  it('because the stream is a key of another type', async () => {
    const queue = hastyQueue(url);
    await redis.set(`${queue.name}(event_stream)`, 'text');
    const codes = {
      enqueue: ['ENQUEUE_FAILED', 'Redis refused to store the event'],
      dequeue: ['DEQUEUE_FAILED', 'Redis refused to hand out an event'],
      dequeueBlocking: ['DEQUEUE_FAILED', 'Redis refused to hand out events'],
      awaitResponse: ['ENQUEUE_FAILED', 'Redis refused to store the event'],
      enqueueResponse: ['ENQUEUE_FAILED', 'Redis refused to store the response'],
    };
    const failures = await failuresOf(queue);
    expect(failures.map(([call, error]) => [call, (error as { code: string }).code])).toEqual(
      Object.entries(codes).map(([call, [code]]) => [call, code]),
    );
    for (const [call, error] of failures) {
      const [, beginning] = codes[call as keyof typeof codes];
      expect((error as Error).message).toMatch(new RegExp(`^${beginning}: .*WRONGTYPE`));
      expect((error as Error).cause).toBeInstanceOf(Error);
    }
    // It goes on as soon as the cause is gone.
    await redis.del(`${queue.name}(event_stream)`);
    await queue.enqueue(event);
    expect((await queue.dequeueBlocking(10))[1].uuid).toBe(event.uuid);
  });

  it('of one message: the others of the same batch are stored', async () => {
    const queue = newQueue();
    await redis.set(`${queue.name}(lanes)`, 'text');
    const send = (action: string, options?: { orderingKey: string }): Promise<unknown> =>
      queue.enqueue(new ServiceEvent(60, action), options);
    const results = await Promise.allSettled([
      send('first'),
      send('keyed', { orderingKey: 'k' }),
      send('second'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 'ENQUEUE_FAILED',
      message: expect.stringMatching(/^Redis refused to store the event: .*WRONGTYPE/) as string,
    });
    const stored = (await eventsOf(queue.name)).map(
      ({ fields }) => (JSON.parse(fields[1] ?? '') as { action: string }).action,
    );
    expect(stored).toEqual(['first', 'second']);
    expect(await rejection(send('keyed', { orderingKey: 'k' }))).toMatchObject({
      code: 'ENQUEUE_FAILED',
      message: expect.stringMatching(/^Redis refused to store the event: .*WRONGTYPE/) as string,
    });
  });

  it('and a server says so of its queue when it listens', async () => {
    const queue = newQueueName();
    await redis.set(`${queue}(event_stream)`, 'text');
    expect(await rejection(listening(new ElkMqServer({ queue, url })))).toMatchObject({
      code: 'DEQUEUE_FAILED',
      // Before version 7 Redis names the script first.
      message: expect.stringMatching(
        `refused to hand out events of the queue '${queue}': .*WRONGTYPE`,
      ) as string,
    });
  });

  it('because memory is full: nothing is stored, what is there can be taken', async () => {
    const server = await ownRedis('--maxmemory-policy', 'noeviction');
    const admin = clientOf(server);
    const queue = hastyQueue(server.url);
    await queue.enqueue(event);
    await queue.enqueue(event);
    await queue.dequeue();
    await admin.config('SET', 'maxmemory', '1');
    const keys = await keysOf(queue.name, admin);
    const full = { code: 'ENQUEUE_FAILED', message: expect.stringContaining('OOM') as string };
    expect(await rejection(queue.enqueue(event))).toMatchObject(full);
    expect(await rejection(queue.awaitResponse(event))).toMatchObject(full);
    expect(await rejection(queue.enqueueResponse(ServiceEvent.responseTo(event, 'b')))).toMatchObject(full);
    expect(await keysOf(queue.name, admin)).toEqual(keys);

    expect((await queue.dequeue())[1].uuid).toBe(event.uuid);
    await admin.config('SET', 'maxmemory', '0');
    await queue.enqueue(event);
    expect(await eventsOf(queue.name, admin)).toHaveLength(1);
  });
});

describe('a user of Redis', () => {
  async function userOf(rules: string): Promise<{ source: string; admin: Redis }> {
    const server = await ownRedis();
    const admin = clientOf(server);
    await admin.call('ACL', 'SETUSER', 'service', 'on', '>pw', ...rules.split(' '));
    return { source: `redis://service:pw@127.0.0.1:${server.port}`, admin };
  }

  it('who may use the keys of the queue alone can do everything', async () => {
    const { source, admin } = await userOf('~orders(* +@all -@dangerous +info +client|unblock');
    const [client, worker] = [hastyQueue(source, 'orders'), hastyQueue(source, 'orders')];
    const response = client.awaitResponse(event);
    const [, request] = await worker.dequeueBlocking(10);
    await worker.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
    expect((await response)[1].action).toBe('answer');
    await client.enqueue(event);
    await worker.dequeue();
    await worker.enqueueResponse(new ServiceEvent(1, 'as the original does'));
    await admin.xadd('orders(event_stream)', '*', 'event', 'malformed');
    expect(await rejection(worker.dequeue())).toMatchObject({ code: 'JSON_PARSE_FAILED' });
    expect(await rejection(client.awaitResponse(new ServiceEvent(1, 'cancelled')))).toMatchObject({
      code: 'TIMEOUT_EXPIRED',
    });
    await Promise.all([client.close(), worker.close()]);
    expect(Object.keys(await keysOf('orders', admin))).toEqual([
      '(dead_letter_bodies)',
      '(dead_letters)',
      '(event_stream)',
      '(leftovers)',
      '(response_stream)',
    ]);
    expect((await eventsOf('orders', admin)).map(({ fields }) => fields[0])).toEqual(['response']);
  });

  it('who may not use them is told so by every call', async () => {
    const { source } = await userOf('~others(* +@all');
    for (const [call, error] of await failuresOf(hastyQueue(source, 'orders'))) {
      expect(error).toMatchObject({ message: expect.stringContaining('NOPERM') as string });
      expect((error as { code: string }).code).toBe(
        call.startsWith('dequeue') ? 'DEQUEUE_FAILED' : 'ENQUEUE_FAILED',
      );
    }
  });

  it('who may read but not finish is told so too', async () => {
    const { source, admin } = await userOf('~orders(* +@all -evalsha -eval');
    await admin.xadd('orders(event_stream)', '*', 'event', 'x', 'reply_to', '');
    const queue = hastyQueue(source, 'orders');
    expect(await rejection(queue.dequeue())).toMatchObject({
      code: 'DEQUEUE_FAILED',
      message: expect.stringContaining('NOPERM') as string,
    });
  });
});
