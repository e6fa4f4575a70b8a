import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { eventsOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

async function drain(queue: EventQueue): Promise<string[]> {
  const actions: string[] = [];
  for (;;) {
    try {
      actions.push((await queue.dequeue())[1].action);
    } catch {
      return actions;
    }
  }
}

function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}

describe('a service event', () => {
  it('has what it was made with, and an unsigned 128-bit id of its own', () => {
    const event = new ServiceEvent(10, 'create', '{"name":"Ada"}');
    expect(event).toMatchObject({ timeout: 10, action: 'create', payload: '{"name":"Ada"}' });
    expect(event.uuid).toBeTypeOf('bigint');
    expect(event.uuid).toBeGreaterThan(0n);
    expect(event.uuid).toBeLessThan(2n ** 128n);
    expect(new ServiceEvent(10, 'create').uuid).not.toBe(event.uuid);
  });

  it.each([[undefined], [null]])('without a payload (%s) has the payload null', (payload) => {
    expect(new ServiceEvent(1, 'ping', payload).payload).toBeNull();
  });

  it('as a response has the uuid and the timeout of its request', () => {
    const request = new ServiceEvent(7, 'ask', 'question');
    const response = ServiceEvent.responseTo(request, 'answer', 'text');
    expect(response).toMatchObject({ timeout: 7, action: 'answer', payload: 'text' });
    expect(response.uuid).toBe(request.uuid);
    expect(ServiceEvent.responseTo(request, 'answer').payload).toBeNull();
  });
});

describe('enqueue', () => {
  it('answers the time at which Redis registered the event: that of its entry', async () => {
    const queue = newQueue();
    const [before] = await redis.time();
    const timestamps = await Promise.all(
      numbered(3).map((action) => queue.enqueue(new ServiceEvent(1, action))),
    );
    timestamps.push(await queue.enqueue(new ServiceEvent(1, 'later')));
    expect(timestamps).toEqual((await eventsOf(queue.name)).map(({ id }) => millisecondsOf(id)));
    const [after] = await redis.time();
    expect(Number(timestamps[3]) / 1_000).toBeGreaterThanOrEqual(Number(before));
    expect(Number(timestamps[3]) / 1_000).toBeLessThan(Number(after) + 1);
    expect((await queue.dequeue())[0]).toBe(timestamps[0]);
  });

  it('may be tried for any number of milliseconds', async () => {
    const queue = newQueue(newQueueName(), url, { enqueueTimeout: 1_500.5 });
    expect(await queue.enqueue(new ServiceEvent(10, 'a'))).toBeGreaterThan(0);
  });

  it('can take the same event twice: it is two events in the queue', async () => {
    const queue = newQueue();
    const event = new ServiceEvent(1, 'twice');
    await Promise.all([queue.enqueue(event), queue.enqueue(event)]);
    expect(await drain(queue)).toEqual(['twice', 'twice']);
  });
});

describe('dequeue', () => {
  it('hands events out in the order in which they were enqueued, in one tick or several', async () => {
    const queue = newQueue();
    const actions = numbered(1_000);
    await Promise.all(actions.slice(0, 900).map((action) => queue.enqueue(new ServiceEvent(1, action))));
    for (const action of actions.slice(900)) await queue.enqueue(new ServiceEvent(1, action));
    expect(await drain(queue)).toEqual(actions);
  });

  it('hands each event to one of any number of consumers, whoever enqueued it', async () => {
    const name = newQueueName();
    const [one, other] = [newQueue(name), newQueue(name)];
    const consumers = [newQueue(name), newQueue(name), newQueue(name)];
    const actions = numbered(300);
    const events = actions.map((action) => new ServiceEvent(1, action));
    await Promise.all(events.map((event, index) => (index % 2 ? one : other).enqueue(event)));
    const taken = (await Promise.all(consumers.map(drain))).flat();
    expect(taken.sort((a, b) => Number(a) - Number(b))).toEqual(actions);
  });

  it('gives what was enqueued before there was any consumer', async () => {
    const name = newQueueName();
    const producer = newQueue(name);
    await producer.enqueue(new ServiceEvent(1, 'early'));
    await producer.close();
    expect(await drain(newQueue(name))).toEqual(['early']);
  });

  it('of an empty queue is an EmptyQueueError, also where nothing has ever been enqueued', async () => {
    const queue = newQueue();
    const empty = { code: 'QUEUE_EMPTY', message: `no event is waiting in the queue "${queue.name}"` };
    expect(await rejection(queue.dequeue())).toMatchObject(empty);
    await queue.enqueue(new ServiceEvent(1, 'a'));
    await queue.dequeue();
    expect(await rejection(queue.dequeue())).toMatchObject(empty);
  });

  it('goes on after the queue was deleted', async () => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(1, 'before'));
    await queue.dequeue();
    await redis.del(`${queue.name}(event_stream)`);
    await queue.enqueue(new ServiceEvent(1, 'after'));
    expect(await drain(queue)).toEqual(['after']);
  });
});

describe('payloads and names', () => {
  it.each([
    ['none', null],
    ['an empty one', ''],
    ['Unicode', 'é 漢字 😀 \u0000 \u2028 \ufeff "\\n'],
    ['100 KiB', 'x'.repeat(100 * 1024)],
    ['100 KiB of what takes more bytes than characters', '😀"'.repeat(20 * 1024)],
    ['2 MiB', '\n'.repeat(2 * 1024 * 1024)],
  ])('%s arrive as they were', async (_what, payload) => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(1, 'é 😀', payload));
    const [, event] = await queue.dequeue();
    expect(event.payload === payload).toBe(true);
    expect(event.action).toBe('é 😀');
  });

  it.each([
    '',
    ' ',
    'a b\nc',
    '{tag}x',
    '{}',
    '*[a-z]?',
    '漢字 😀',
    '"\\',
    'x'.repeat(1_000),
    'q(event_stream)',
  ])('a queue may be called %j, and its keys are called so too', async (name) => {
    const queue = newQueue(name);
    await redis.del(`${name}(event_stream)`);
    await queue.enqueue(new ServiceEvent(1, 'a'));
    expect(await redis.xlen(`${name}(event_stream)`)).toBe(1);
    expect(await drain(queue)).toEqual(['a']);
    await queue.close();
    const keys = await redis.keys(`${name.replace(/[*?[\]\\]/g, '\\$&')}(*`);
    expect(keys.sort()).toEqual([`${name}(event_stream)`, `${name}(rates)`]);
    await redis.del(keys);
  });

  it('queues of different names have nothing to do with each other', async () => {
    const [one, other] = [newQueue('one'), newQueue('one(event_stream)')];
    await Promise.all([one.enqueue(new ServiceEvent(1, 'a')), other.enqueue(new ServiceEvent(1, 'b'))]);
    expect(await drain(one)).toEqual(['a']);
    expect(await drain(other)).toEqual(['b']);
    expect(await keysOf('one')).toHaveProperty(['(event_stream)'], 'stream');
    await until(async () => (await redis.del('one(event_stream)', 'one(event_stream)(event_stream)')) === 2);
  });
});
