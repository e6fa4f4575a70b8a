import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { eventsOf, millisecondsOf, payloadsOf } from '../support/entries.js';
import { patientQueue } from '../support/event-queue.js';
import { clientOf, durableRedis, ownRedis, restartDurable } from '../support/own-redis.js';
import { newQueueName, rejection, until } from '../support/queue.js';

interface Outcome {
  readonly payload: string;
  readonly timestamp?: number;
  readonly error?: unknown;
}

/** Enqueues events, some at a time, until it is stopped. */
function startProducing(queue: EventQueue) {
  const outcomes: Promise<Outcome>[] = [];
  const counts = { stored: 0, failed: 0 };
  let isStopped = false;
  const run = async () => {
    while (!isStopped) {
      for (let i = 0; i < 5; i++) {
        const payload = String(outcomes.length);
        outcomes.push(
          queue.enqueue(new ServiceEvent(60, 'a', payload)).then(
            (timestamp) => {
              counts.stored++;
              return { payload, timestamp };
            },
            (error: unknown) => {
              counts.failed++;
              return { payload, error };
            },
          ),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const running = run();
  return {
    async stop(): Promise<Outcome[]> {
      isStopped = true;
      await running;
      return Promise.all(outcomes);
    },
    /** Waits until so many more have come to this end. */
    async until(end: 'stored' | 'failed', more: number): Promise<void> {
      const before = counts[end];
      await until(() => counts[end] >= before + more);
    },
  };
}

describe('when Redis is killed and started again, with every write on disk', () => {
  it('each event that was enqueued is stored once', async () => {
    const server = await durableRedis();
    const queue = patientQueue(server.url);
    const producer = startProducing(queue);
    for (let i = 0; i < 3; i++) {
      await producer.until('stored', 100);
      await restartDurable(server);
    }
    const outcomes = await producer.stop();

    const client = clientOf(server);
    expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    const ids = (await eventsOf(queue.name, client)).map(({ id }) => id);
    const payloads = await payloadsOf(queue.name, client);
    expect(outcomes.length).toBeGreaterThan(300);
    expect([...payloads].sort()).toEqual(outcomes.map(({ payload }) => payload).sort());
    const times = new Map(payloads.map((payload, index) => [payload, millisecondsOf(ids[index] ?? '')]));
    for (const { payload, timestamp } of outcomes) expect(times.get(payload)).toBe(timestamp);
  });

  it('an event that could not be stored in time is never stored later', async () => {
    const server = await durableRedis();
    const queue = patientQueue(server.url, newQueueName(), 150);
    // A busy machine may need several tries to be so quick. One that failed may be stored all the same.
    const store = (payload: string) =>
      until(() =>
        queue.enqueue(new ServiceEvent(10, 'a', payload)).then(
          () => true,
          () => false,
        ),
      );
    await store('before');
    await server.kill();
    const events = Array.from({ length: 300 }, (_, index) => new ServiceEvent(10, 'a', String(index)));
    for (const error of await Promise.all(events.map((event) => rejection(queue.enqueue(event))))) {
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    }
    await server.restart();
    await store('after');
    const payloads = await payloadsOf(queue.name, clientOf(server));
    expect([...new Set(payloads)]).toEqual(['before', 'after']);
  });

  it('each event is stored at most once, and those that succeeded are, where some gave up meanwhile', async () => {
    const server = await durableRedis();
    const queue = patientQueue(server.url, newQueueName(), 100);
    const producer = startProducing(queue);
    for (let i = 0; i < 3; i++) {
      await producer.until('stored', 20);
      await server.kill();
      await producer.until('failed', 20);
      await restartDurable(server);
    }
    await producer.until('stored', 20);
    const outcomes = await producer.stop();

    const payloads = await payloadsOf(queue.name, clientOf(server));
    expect(new Set(payloads).size).toBe(payloads.length);
    const succeeded = outcomes.filter(({ error }) => error === undefined);
    expect(succeeded.length).toBeGreaterThan(0);
    expect(succeeded.length).toBeLessThan(outcomes.length);
    expect(payloads).toEqual(expect.arrayContaining(succeeded.map(({ payload }) => payload)));
  });

  it('calls that wait go on: for an event, and for a response', async () => {
    const server = await durableRedis();
    const name = newQueueName();
    const [client, worker] = [patientQueue(server.url, name), patientQueue(server.url, name)];
    const taken = worker.dequeueBlocking(0);
    await until(async () => /cmd=xreadgroup/.test(String(await clientOf(server).client('LIST'))));
    await server.restart();
    const response = client.awaitResponse(new ServiceEvent(20, 'ask', 'question'));
    const [, request] = await taken;
    await server.restart();
    await worker.enqueueResponse(ServiceEvent.responseTo(request, 'answer', request.payload));
    expect((await response)[1].payload).toBe('question');
    expect(await eventsOf(name, clientOf(server))).toEqual([]);
  });
});

describe('when Redis is started again and has lost everything', () => {
  it('the queue goes on with what comes', async () => {
    const server = await ownRedis();
    const queue = patientQueue(server.url);
    await queue.enqueue(new ServiceEvent(10, 'a', 'lost'));
    const taken = queue.dequeueBlocking(0);
    expect((await taken)[1].payload).toBe('lost');
    const next = queue.dequeueBlocking(0);
    const asked = queue.awaitResponse(new ServiceEvent(20, 'ask'));
    await next;
    await server.restart();
    // Its inbox is gone too; that of the next request is there.
    const again = queue.dequeueBlocking(0);
    const response = queue.awaitResponse(new ServiceEvent(20, 'ask again'));
    const [, request] = await again;
    await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
    expect((await response)[1].action).toBe('answer');
    const ended = rejection(asked);
    await queue.close();
    expect(await ended).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});
