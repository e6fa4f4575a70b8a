import { ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, entriesOf, eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { keysOf, newQueueName, redis, rejection, until } from '../support/queue.js';

const EVENTS_ONLY = { '(event_stream)': 'stream' };

/** The keys of a queue without the ids of clients in them. */
async function kindsOf(name: string): Promise<string[]> {
  return Object.entries(await keysOf(name)).map(([key, type]) => `${key.replace(/:.*/, '')} ${type}`);
}

/** Consumers in the group of the queue, and entries that are pending. */
async function groupOf(name: string): Promise<{ consumers: number; pending: number }> {
  const groups = (await redis.xinfo('GROUPS', `${name}(event_stream)`)) as (string | number)[][];
  const group = new Map(
    groups.flatMap(
      (fields) =>
        [
          [fields[2], fields[3]],
          [fields[4], fields[5]],
        ] as const,
    ),
  );
  return { consumers: Number(group.get('consumers')), pending: Number(group.get('pending')) };
}

/** The event stream and its group are there, and nothing is in them. */
async function expectNothingLeft(name: string): Promise<void> {
  expect(await keysOf(name)).toEqual(EVENTS_ONLY);
  expect(await eventsOf(name)).toEqual([]);
  expect(await groupOf(name)).toEqual({ consumers: 0, pending: 0 });
}

describe('what is in Redis', () => {
  it('after an enqueue: the event, and for some time the answer to its batch', async () => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(1, 'a'));
    expect(await kindsOf(queue.name)).toEqual(['(event_stream) stream', '(producer) hash']);
    const [producer = ''] = Object.keys(await keysOf(queue.name)).filter((key) =>
      key.startsWith('(producer)'),
    );
    const left = await redis.pttl(queue.name + producer);
    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThan(600_000);
    await queue.close();
    expect(await keysOf(queue.name)).toEqual(EVENTS_ONLY);
    expect(await eventsOf(queue.name)).toHaveLength(1);
  });

  it('after somebody has closed: the rates, which go two days after the last message', async () => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(1, 'a'));
    await queue.close();
    const left = await redis.pttl(`${queue.name}(rates)`);
    expect(left).toBeGreaterThan(47 * 3_600_000);
    expect(left).toBeLessThanOrEqual(48 * 3_600_000);
    await newQueue(queue.name).close();
    expect(await redis.pttl(`${queue.name}(rates)`)).toBeLessThanOrEqual(left);
  });

  it('after many enqueues: no more answers than batches can be on their way', async () => {
    const queue = newQueue();
    for (let i = 0; i < 100; i++) await queue.enqueue(new ServiceEvent(1, 'a'));
    const [producer = ''] = Object.keys(await keysOf(queue.name)).filter((key) =>
      key.startsWith('(producer)'),
    );
    expect(await redis.hlen(queue.name + producer)).toBeLessThanOrEqual(16);
  });

  it('after a dequeue: nothing of the event', async () => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(1, 'a'));
    await queue.dequeue();
    expect(await eventsOf(queue.name)).toEqual([]);
    expect((await groupOf(queue.name)).pending).toBe(0);
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    await queue.close();
    await expectNothingLeft(queue.name);
  });

  it('while a request waits: the request, and an inbox that outlives it by a little', async () => {
    const queue = newQueue();
    const response = queue.awaitResponse(new ServiceEvent(100, 'ask'));
    await expect.poll(() => kindsOf(queue.name)).toContain('(inbox) stream');
    const [inbox = ''] = Object.keys(await keysOf(queue.name)).filter((key) => key.startsWith('(inbox)'));
    const left = await redis.pttl(queue.name + inbox);
    expect(left).toBeGreaterThan(100_000);
    expect(left).toBeLessThan(200_000);
    expect(await entriesOf(queue.name + inbox)).toEqual([]);

    const [, request] = await queue.dequeueBlocking(10);
    await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
    await response;
    await until(async () => (await entriesOf(queue.name + inbox)).length === 0);
    expect(await eventsOf(queue.name)).toEqual([]);
    await queue.close();
    await expectNothingLeft(queue.name);
  });

  it('after a longer request: an inbox that outlives that one', async () => {
    const queue = newQueue();
    const calls: Promise<unknown>[] = [];
    for (const timeout of [10, 1_000, 10]) {
      calls.push(rejection(queue.awaitResponse(new ServiceEvent(timeout, 'ask'))));
      await until(async () => (await eventsOf(queue.name)).length === calls.length);
    }
    const [inbox = ''] = Object.keys(await keysOf(queue.name)).filter((key) => key.startsWith('(inbox)'));
    expect(await redis.pttl(queue.name + inbox)).toBeGreaterThan(1_000_000);
    await queue.close();
    await Promise.all(calls);
    expect(await keysOf(queue.name)).toEqual(EVENTS_ONLY);
    expect(await eventsOf(queue.name)).toEqual([]);
  });

  it('after replies were read: none of them, while their client goes on', async () => {
    const name = newQueueName();
    const [client, worker] = [newQueue(name), newQueue(name)];
    for (let i = 0; i < 3; i++) {
      const answered = client.awaitResponse(new ServiceEvent(20, 'ask'));
      const [, event] = await worker.dequeueBlocking(10);
      await worker.enqueueResponse(ServiceEvent.responseTo(event, 'answer', 'y'));
      await answered;
    }
    const [inbox = ''] = Object.keys(await keysOf(name)).filter((key) => key.startsWith('(inbox)'));
    expect(inbox).not.toBe('');
    await until(async () => (await redis.xlen(name + inbox)) === 0);
  });

  it('after an event of an original client: neither it nor its id', async () => {
    const queue = newQueue();
    await enqueueAsTheOriginal(queue.name, '[7,1,"a",null]');
    await queue.dequeue();
    await queue.close();
    await expectNothingLeft(queue.name);
  });

  it('after all work is done, however it went: nothing', async () => {
    const name = newQueueName();
    const queues = [newQueue(name), newQueue(name), newQueue(name)] as const;
    const [client, worker, other] = queues;
    const requests = Array.from({ length: 50 }, () =>
      client.awaitResponse(new ServiceEvent(20, 'ask', 'x'.repeat(99))),
    );
    const unanswered = rejection(client.awaitResponse(new ServiceEvent(1, 'nobody answers')));
    const enqueued = Array.from({ length: 50 }, () => other.enqueue(new ServiceEvent(20, 'event')));
    for (let left = 100; left > 0;) {
      const [, event] = await (left % 2 ? worker : other).dequeueBlocking(10);
      if (event.action !== 'nobody answers') left--;
      if (event.action === 'ask') await worker.enqueueResponse(ServiceEvent.responseTo(event, 'answer', 'y'));
    }
    await Promise.all([...requests, ...enqueued]);
    expect(await unanswered).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    // It may be the last in the queue: then it is cancelled a moment later.
    await until(async () => (await eventsOf(name)).length === 0);
    await rejection(worker.dequeueBlocking(0.01));
    await Promise.all(queues.map((queue) => queue.close()));
    await expectNothingLeft(name);
  });
});
