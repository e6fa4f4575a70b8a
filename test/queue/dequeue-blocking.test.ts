import { ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { newQueueName, redis, rejection, until } from '../support/queue.js';

/** Returns the number of consumers of the queue that wait in Redis for an event right now. */
async function waitingIn(name: string): Promise<number> {
  const clients = (await redis.client('LIST')) as string;
  const blocked = clients
    .split('\n')
    .filter((line) => /flags=b\b/.test(line) && line.includes('cmd=xreadgroup'));
  return Math.min(blocked.length, await redis.exists(`${name}(event_stream)`));
}

describe('dequeueBlocking', () => {
  it('takes an event that is waiting', async () => {
    const queue = newQueue();
    const timestamp = await queue.enqueue(new ServiceEvent(1, 'a'));
    const taken = await queue.dequeueBlocking(5);
    expect(taken[0]).toBe(timestamp);
    expect(taken[1].action).toBe('a');
  });

  it.each([0, 0.5, 20, 1e9])('of %d seconds takes an event that comes, at once', async (seconds) => {
    const queue = newQueue();
    const producer = newQueue(queue.name);
    // The first connection may take its time.
    await rejection(queue.dequeueBlocking(0.01));
    const taken = queue.dequeueBlocking(seconds);
    const timestamp = await producer.enqueue(new ServiceEvent(1, 'a'));
    expect((await taken)[0]).toBe(timestamp);
  });

  it.each([0.01, 0.3, 1])('of %d seconds ends when nothing came in that time', async (seconds) => {
    const queue = newQueue();
    await rejection(queue.dequeue());
    // A busy machine may need several tries to be on time.
    await until(async () => {
      const start = performance.now();
      const error = await rejection(queue.dequeueBlocking(seconds));
      const took = performance.now() - start;
      expect(error).toMatchObject({
        code: 'QUEUE_EMPTY',
        message: expect.stringContaining('in time') as string,
      });
      expect(took).toBeGreaterThan(seconds * 1_000 - 10);
      return took < seconds * 1_000 + 1_500;
    });
  });

  it('serves several calls that wait, in the order in which they came', async () => {
    const queue = newQueue();
    const calls = [0, 20, 0, 10, 0].map((seconds) => queue.dequeueBlocking(seconds));
    const actions = ['a', 'b', 'c', 'd', 'e'];
    for (const action of actions) await queue.enqueue(new ServiceEvent(1, action));
    const taken = await Promise.all(calls);
    expect(taken.map(([, { action }]) => action)).toEqual(actions);
  });

  it('gives each event to one of the calls that wait on several queues', async () => {
    const name = newQueueName();
    const queues = [newQueue(name), newQueue(name), newQueue(name)];
    const calls = queues.flatMap((queue) => Array.from({ length: 20 }, () => queue.dequeueBlocking(0)));
    const actions = calls.map((_, index) => String(index));
    await Promise.all(actions.map((action) => newQueue(name).enqueue(new ServiceEvent(1, action))));
    const taken = (await Promise.all(calls)).map(([, { action }]) => action);
    expect(taken.sort((a, b) => Number(a) - Number(b))).toEqual(actions);
  });

  it('leaves the next event to others when it has given up', async () => {
    const name = newQueueName();
    const [quitter, other] = [newQueue(name), newQueue(name)];
    await rejection(quitter.dequeueBlocking(0.05));
    const timestamp = await other.enqueue(new ServiceEvent(1, 'a'));
    expect((await other.dequeueBlocking(10))[0]).toBe(timestamp);
  });

  it('puts back what came when it had just given up, as it was', async () => {
    const name = newQueueName();
    const [quitter, other] = [newQueue(name), newQueue(name)];
    // Its read in Redis goes on for the sake of the call that waits longer; the first event is for that one.
    const patient = quitter.dequeueBlocking(30);
    await until(async () => (await waitingIn(name)) > 0);
    const quick = rejection(quitter.dequeueBlocking(0.05));
    await quick;
    const first = new ServiceEvent(1, 'first');
    const second = new ServiceEvent(9, 'second', 'payload');
    const [, timestamp] = await Promise.all([other.enqueue(first), other.enqueue(second)]);
    expect((await patient)[1].action).toBe('first');
    const [registered, event] = await other.dequeueBlocking(10);
    expect(registered).toBe(timestamp);
    expect(event.uuid).toBe(second.uuid);
    expect(event).toMatchObject({ timeout: 9, action: 'second', payload: 'payload' });
    expect(await eventsOf(name)).toEqual([]);
  });

  it('never loses an event to calls that give up all the time', async () => {
    const name = newQueueName();
    const [quitter, producer] = [newQueue(name), newQueue(name)];
    const actions = Array.from({ length: 100 }, (_, index) => String(index));
    const taken: string[] = [];
    let quits = 0;
    const take = async () => {
      while (taken.length < actions.length) {
        try {
          taken.push((await quitter.dequeueBlocking(0.002 + Math.random() / 200))[1].action);
        } catch (error) {
          if ((error as { code?: string }).code !== 'QUEUE_EMPTY') throw error;
          quits++;
        }
      }
    };
    const consumers = [take(), take(), take()];
    for (const action of actions) {
      await producer.enqueue(new ServiceEvent(1, action));
      // Another moment each time: one call or more has given up since.
      const before = quits + Math.floor(Math.random() * 3);
      await until(() => quits > before || taken.length === actions.length);
    }
    await Promise.all(consumers);
    expect(taken.sort((a, b) => Number(a) - Number(b))).toEqual(actions);
    expect(await eventsOf(name)).toEqual([]);
  });

  it('goes on waiting when the queue is deleted', async () => {
    const queue = newQueue();
    const taken = queue.dequeueBlocking(20);
    await until(async () => (await waitingIn(queue.name)) > 0);
    await redis.del(`${queue.name}(event_stream)`);
    await newQueue(queue.name).enqueue(new ServiceEvent(1, 'after'));
    expect((await taken)[1].action).toBe('after');
  });

  it('waits beside dequeue, which does not wait', async () => {
    const queue = newQueue();
    const waiting = queue.dequeueBlocking(0);
    await until(async () => (await waitingIn(queue.name)) > 0);
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    await queue.enqueue(new ServiceEvent(1, 'a'));
    expect((await waiting)[1].action).toBe('a');
  });
});
