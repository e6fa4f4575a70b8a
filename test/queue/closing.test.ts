import { ElkMqServer, EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { eventsOf, payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { listening } from '../support/nest.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

const CLOSED = { code: 'CONNECTION_FAILED', message: expect.stringMatching(/closed$/) as string };

function briefQueue(name = newQueueName(), redis = url): EventQueue {
  return newQueue(name, redis, { enqueueTimeout: 2_000 });
}

describe('closing a queue', () => {
  it('can be done twice, at once or later, also before it was used', async () => {
    const queue = briefQueue();
    await Promise.all([queue.close(), queue.close()]);
    await queue.close();
    expect(await keysOf(queue.name)).toEqual({});
  });

  it('makes every later call fail', async () => {
    const queue = briefQueue();
    await queue.enqueue(new ServiceEvent(1, 'a'));
    await queue.close();
    const event = new ServiceEvent(1, 'b');
    const calls = [
      () => queue.enqueue(event),
      () => queue.dequeue(),
      () => queue.dequeueBlocking(1),
      () => queue.awaitResponse(event),
      () => queue.enqueueResponse(ServiceEvent.responseTo(event, 'c')),
    ];
    for (const call of calls) expect(await rejection(call())).toMatchObject(CLOSED);
    expect(await eventsOf(queue.name)).toHaveLength(1);
  });

  it('stores what was enqueued just before, on a connection that stands or that is being made', async () => {
    const payloads = Array.from({ length: 2_000 }, (_, index) => String(index));
    for (const isConnected of [true, false]) {
      const queue = briefQueue();
      if (isConnected) await rejection(queue.dequeue());
      const enqueued = payloads.map((payload) => queue.enqueue(new ServiceEvent(1, 'a', payload)));
      await queue.close();
      expect(await payloadsOf(queue.name)).toEqual(payloads);
      await Promise.all(enqueued);
    }
  });

  it('ends the calls that wait for an event, and takes none on their behalf', async () => {
    const name = newQueueName();
    const [queue, other] = [briefQueue(name), briefQueue(name)];
    await rejection(queue.dequeue());
    const calls = [queue.dequeueBlocking(0), queue.dequeueBlocking(100_000), queue.dequeueBlocking(0)].map(
      rejection,
    );
    await new Promise(setImmediate);
    await queue.close();
    for (const call of calls) expect(await call).toMatchObject(CLOSED);
    await other.enqueue(new ServiceEvent(1, 'a'));
    expect((await other.dequeue())[1].action).toBe('a');
    const consumers = (await redis.xinfo('CONSUMERS', `${name}(event_stream)`, 'elkmq')) as unknown[];
    expect(consumers).toHaveLength(1);
  });

  it.each(['connected', 'connecting'])(
    'while calls have just begun (%s) leaves nothing running',
    async (how) => {
      const queue = briefQueue();
      if (how === 'connected') await rejection(queue.dequeue());
      const enqueued = queue.enqueue(new ServiceEvent(1, 'a'));
      const calls = [queue.dequeue(), queue.dequeueBlocking(0)];
      const outcomes = Promise.allSettled(calls);
      await queue.close();
      await enqueued;
      for (const outcome of await outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(CLOSED);
      }
      // Handed out or still there, but not lost.
      const taken = (await outcomes).filter(({ status }) => status === 'fulfilled');
      expect(taken.length + (await eventsOf(queue.name)).length).toBe(1);
    },
  );

  it('ends the calls that wait for a response, and cancels their requests', async () => {
    const queue = briefQueue();
    const early = rejection(queue.awaitResponse(new ServiceEvent(60, 'stored')));
    await expect.poll(() => eventsOf(queue.name)).toHaveLength(1);
    const late = rejection(queue.awaitResponse(new ServiceEvent(60, 'not sent yet')));
    await queue.close();
    for (const call of [early, late]) expect(await call).toMatchObject(CLOSED);
    expect(await eventsOf(queue.name)).toEqual([]);
    expect(await keysOf(queue.name)).toEqual({ '(event_stream)': 'stream' });
  });

  it('leaves the events of others alone', async () => {
    const name = newQueueName();
    const [queue, other] = [briefQueue(name), briefQueue(name)];
    await other.enqueue(new ServiceEvent(1, 'a'));
    await queue.close();
    expect((await other.dequeue())[1].action).toBe('a');
  });

  it('that finds no Redis gives up, and what was enqueued fails', async () => {
    const queue = briefQueue(newQueueName(), 'redis://127.0.0.1:1');
    const calls = [queue.enqueue(new ServiceEvent(1, 'a')), queue.dequeueBlocking(0)].map(rejection);
    await queue.close();
    for (const call of calls) expect(await call).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});

it('a worker that is closed while it starts takes nothing, and leaves no connection', async () => {
  const proxy = closing(await Proxy.before(url));
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, url: proxy.url });
  const outcome = rejection(listening(server));
  // The last thing that it asks before it takes messages.
  proxy.delay = 50;
  await until(() => proxy.latest(new RegExp(SCRIPTS.time.sha1)) === 1);
  await server.close();
  expect(await outcome).toMatchObject({ code: 'CONNECTION_FAILED' });
  await until(() => proxy.connections === 0);
});
