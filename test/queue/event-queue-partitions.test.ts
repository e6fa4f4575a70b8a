import { ElkMqServer, EventQueue, ServiceEvent, type ServiceEvent as Event } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { PartitionedDequeuer } from '../../libs/elkmq/src/event-queue/partitioned-dequeuer.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { PartitionedRequester } from '../../libs/elkmq/src/requests/partitioned-requester.js';
import { sendingOptions } from '../../libs/elkmq/src/requests/sending-options.js';
import { OutcomeWriter } from '../../libs/elkmq/src/settling/outcome-writer.js';
import { messageOf } from '../support/calls.js';
import { newQueue } from '../support/event-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const PARTITIONS = 4;
const OPTIONS = { partitions: PARTITIONS, partitionsForTests: true };

function newPartitioned(name = newQueueName()): EventQueue {
  return newQueue(name, url, OPTIONS);
}

const eventOf = (n: number): Event => new ServiceEvent(10, 'count', String(n));

/** The time of Redis, ms. */
async function timeOfRedis(): Promise<number> {
  const [seconds, micros] = (await redis.time()) as unknown as [string, string];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** The lengths of the streams of all partitions. */
function lengthsOf({ name }: EventQueue): Promise<number[]> {
  return Promise.all(partitionNames(name, PARTITIONS).map((each) => redis.xlen(`${each}(event_stream)`)));
}

/** Stores an event with a key in each partition. */
async function fill(queue: EventQueue, rounds = 1): Promise<number[]> {
  const partitions = new Set<number>();
  const stored: number[] = [];
  for (let n = 0; partitions.size < PARTITIONS; n++) {
    const orderingKey = `key-${String(n)}`;
    const partition = partitionOf(orderingKey, PARTITIONS);
    if (partitions.has(partition)) continue;
    partitions.add(partition);
    for (let round = 0; round < rounds; round++) {
      stored.push(stored.length);
      await queue.enqueue(eventOf(stored.length - 1), { orderingKey });
    }
  }
  return stored;
}

const numbers = (taken: readonly [number, Event][]): number[] =>
  taken.map(([, event]) => Number(event.payload)).sort((one, other) => one - other);

describe('an EventQueue with partitions', () => {
  it('takes the events of all partitions, each once, in turn', async () => {
    const queue = newPartitioned();
    const stored = await fill(queue, 2);
    // The second event of each key waits behind the first.
    expect(await lengthsOf(queue)).toEqual([1, 1, 1, 1]);
    expect(await queue.state()).toMatchObject({ waiting: 8, partitions: PARTITIONS });
    const taken: [number, Event][] = [];
    for (let round = 0; round < PARTITIONS; round++) taken.push(await queue.dequeue());
    // Each call began with another partition.
    expect(await lengthsOf(queue)).toEqual([1, 1, 1, 1]);
    for (let round = 0; round < PARTITIONS; round++) taken.push(await queue.dequeue());
    expect(numbers(taken)).toEqual(stored);
    expect(await rejection(queue.dequeue())).toMatchObject({
      code: 'QUEUE_EMPTY',
      message: `no event is waiting in the queue "${queue.name}"`,
    });
    expect(await queue.state()).toMatchObject({ waiting: 0, running: 0 });
  });

  it('fails with a JsonParseError where an entry is no event, and goes on with the next call', async () => {
    const queue = newPartitioned();
    const names = partitionNames(queue.name, PARTITIONS);
    for (const name of names)
      await redis.xadd(`${name}(event_stream)`, '*', 'event', 'no event', 'reply_to', '');
    for (let calls = 1; calls <= PARTITIONS; calls++) {
      const call = calls % 2 ? queue.dequeue() : queue.dequeueBlocking(10);
      expect(await rejection(call)).toMatchObject({ name: 'JsonParseError', code: 'JSON_PARSE_FAILED' });
      expect(await queue.deadLetters.count({ reason: 'malformed' })).toBe(calls);
    }
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    await fill(queue);
    expect((await queue.dequeue())[1].action).toBe('count');
  });

  it('has one event for one call that waits, also when all partitions get one', async () => {
    const server = await ownRedis();
    const name = newQueueName();
    const [queue, other] = [newQueue(name, server.url, OPTIONS), newQueue(name, server.url, OPTIONS)];
    const first = queue.dequeueBlocking(0);
    const admin = clientOf(server);
    // All four reads wait.
    await until(async () => /blocked_clients:4\r/.test(await admin.info('clients')));
    const stored = await fill(other);
    const taken = [await first];
    // What other reads have brought is back in the queue, and nothing is left pending.
    await until(async () => (await queue.state()).running === 0);
    expect(await queue.state()).toMatchObject({ waiting: 3, deadLetters: 0 });
    for (let n = 0; n < 3; n++) taken.push(await other.dequeueBlocking(10));
    expect(numbers(taken)).toEqual(stored);
    expect(await rejection(other.dequeueBlocking(0.01))).toMatchObject({ code: 'QUEUE_EMPTY' });
  });

  it('settles an event in its own partition, also when one was away when the others were read first', async () => {
    const queue = newPartitioned();
    const source = new RedisSource(url);
    const options = sendingOptions({}, false);
    const requester = new PartitionedRequester(source, queue.name, PARTITIONS, options);
    await requester.connectToTake();
    const writers = requester.partitions.map(
      (each) => new OutcomeWriter(each.requester.context, { timeoutMs: 10_000 }),
    );
    const dequeuer = new PartitionedDequeuer(source, queue.name, requester.partitions, writers);
    requester.partitions[0]?.watch.attemptFailed(new Error('Connection is closed.'));
    expect(await rejection(dequeuer.dequeueNow())).toMatchObject({ code: 'CONNECTION_FAILED' });
    for (let n = 0; n < 8; n++) {
      const waiting = dequeuer.dequeueBy(Infinity);
      await queue.enqueue(eventOf(n), { orderingKey: `key-${String(n)}` });
      expect((await waiting)?.[1].payload).toBe(String(n));
    }
    await dequeuer.closeDequeuer();
    await requester.close(new Error('over'));
    expect(await queue.state()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('many calls that wait get each event once', async () => {
    const queue = newPartitioned();
    const [one, two] = [newPartitioned(queue.name), newPartitioned(queue.name)];
    const calls = Array.from({ length: 40 }, (_, n) => (n % 2 ? one : two).dequeueBlocking(0));
    const events = Array.from({ length: 40 }, (_, n) =>
      queue.enqueue(eventOf(n), { orderingKey: `key-${String(n)}` }),
    );
    await Promise.all(events);
    expect(numbers(await Promise.all(calls))).toEqual(Array.from({ length: 40 }, (_, n) => n));
    await until(async () => (await queue.state()).running === 0);
    expect(await queue.state()).toMatchObject({ waiting: 0, deadLetters: 0 });
  });

  it('answers a request in the partition from which it came', async () => {
    const name = newQueueName();
    const worker = newPartitioned(name);
    const work = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const [, request] = await worker.dequeueBlocking(0);
        const answer = String(Number(request.payload) * 2);
        await worker.enqueueResponse(ServiceEvent.responseTo(request, request.action, answer));
      }
    };
    // Each has a home of its own.
    const requesters = Array.from({ length: 8 }, () => newPartitioned(name));
    const working = work(requesters.length);
    const answers = await Promise.all(requesters.map((each, n) => each.awaitResponse(eventOf(n))));
    await working;
    expect(answers.map(([, { payload }]) => payload)).toEqual(requesters.map((_, n) => String(2 * n)));
  });

  it('is answered by a worker of Nest, and has its dead letters with their partitions', async () => {
    const queue = newPartitioned();
    const fail = () => Promise.reject(new Error('no'));
    const options = { queue: queue.name, ...OPTIONS, retry: { attempts: 1 } };
    const server = await startWorker(options, {
      double: (n: unknown) => Promise.resolve(2 * Number(n)),
      'fail.event': fail,
    });
    const [, answer] = await queue.awaitResponse(new ServiceEvent(10, 'double', '21'));
    expect(JSON.parse(answer.payload ?? '')).toBe(42);
    const { deadLetters } = queue;
    for (let n = 0; n < 12; n++) {
      await queue.enqueue(new ServiceEvent(10, 'fail.event', String(n)), { orderingKey: `key-${String(n)}` });
      await until(async () => (await deadLetters.count()) === n + 1);
      // Letters of the same ms in two partitions have no order.
      const died = await timeOfRedis();
      await until(async () => (await timeOfRedis()) > died);
    }
    const page = await deadLetters.list({ limit: 5 });
    expect(page.letters.map(({ payload }) => payload)).toEqual([11, 10, 9, 8, 7]);
    expect(page.letters.every(({ origin }) => /^[0-3]:\d+-\d+$/.test(origin))).toBe(true);
    const rest = await deadLetters.list({ limit: 100, before: page.next });
    expect(rest).toMatchObject({ next: undefined });
    expect(rest.letters.map(({ payload }) => payload)).toEqual([6, 5, 4, 3, 2, 1, 0]);
    const all: unknown[] = [];
    for await (const { payload } of deadLetters.all({ action: 'fail.event' })) all.push(payload);
    expect(all).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    const [{ origin } = { origin: '' }] = page.letters;
    expect(await deadLetters.get(origin)).toMatchObject({ origin, payload: 11 });
    expect(await deadLetters.remove(origin)).toBe(1);
    expect(await deadLetters.get(origin)).toBeUndefined();
    await server.close();
    expect(await deadLetters.retry({})).toBe(11);
    expect(await queue.state()).toMatchObject({ waiting: 11, deadLetters: 0 });
    expect(await rejection(deadLetters.remove('1-1'))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await rejection(deadLetters.list({ before: '1:1-1' }))).toMatchObject({ code: 'INVALID_OPTION' });
    const misspelt = { reson: 'failed' } as object;
    expect(await rejection(deadLetters.list(misspelt))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await rejection(deadLetters.all(misspelt).next())).toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('ends calls that wait when it is closed', async () => {
    const queue = newPartitioned();
    const waiting = queue.dequeueBlocking(0);
    await queue.enqueue(eventOf(1));
    await waiting;
    const next = rejection(queue.dequeueBlocking(0));
    await queue.close();
    expect(await next).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'CONNECTION_FAILED' });
  });

  it('is refused with another number of partitions, also with none', async () => {
    const queue = newPartitioned();
    await queue.enqueue(eventOf(1));
    const wrong = newQueue(queue.name, url, { partitions: 8, partitionsForTests: true });
    const none = newQueue(queue.name);
    for (const each of [wrong, none]) {
      const calls = [
        () => each.enqueue(eventOf(1)),
        () => each.dequeue(),
        () => each.dequeueBlocking(1),
        () => each.awaitResponse(eventOf(1)),
      ];
      for (const call of calls) {
        const error = await rejection(call());
        expect(error).toMatchObject({ code: 'INVALID_OPTION' });
        expect(String(error)).toContain('partitions must be 4 for the queue');
      }
    }
  });

  it.each([
    [{ partitions: 3 }, 'partitions must be 2, 4, 8, 16, 32 or 64, got 3'],
    [
      { partitions: 4 },
      'partitions need Redis Cluster: give an ioredis Cluster as redis, leave partitions out (got 4), or set partitionsForTests to true in a test',
    ],
    [{ ...OPTIONS, legacyConsumers: true }, 'legacyConsumers must not be given with partitions, got true'],
  ])('refuses %j', (options, expected) => {
    expect(messageOf('INVALID_OPTION', () => new EventQueue('orders', url, options))).toBe(expected);
  });
});

it('a client of Nest and an EventQueue with partitions choose the same partition for a key', async () => {
  const queue = newPartitioned();
  const server = closing(new ElkMqServer({ queue: queue.name, url, ...OPTIONS }));
  await queue.enqueue(eventOf(1), { orderingKey: 'customer-42' });
  const lengths = await lengthsOf(queue);
  expect(lengths[partitionOf('customer-42', PARTITIONS)]).toBe(1);
  expect(server).toBeDefined();
});
