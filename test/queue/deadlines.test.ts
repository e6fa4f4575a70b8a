import { describe, expect, it } from 'vitest';
import { AbandonedError, CancelledError, TimeoutExpiredError } from '../../libs/elkmq/src/model/errors.js';
import { Delivery, type DeliverySettler } from '../../libs/elkmq/src/settling/delivery.js';
import { readEntry } from '../../libs/elkmq/src/model/entry.js';
import { enqueueAsTheOriginal, entriesOf } from '../support/entries.js';
import { deadLettersOf, unsettled } from '../support/nest.js';
import { keysOf, newQueueName, redis, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const TIMEOUT_MS = 60_000;
const REQUEST = '{"request_uuid":7,"timeout":60,"action":"ask","payload":"1"}';

/** An id of the past: the deadline of a message with this origin has just gone by. */
function expired(): string {
  return `${Date.now() - TIMEOUT_MS - 1_000}-1`;
}

/** A worker that handles at-least-once, and the attempts that it has started. */
async function startCounting(queue: string): Promise<number[]> {
  const started: number[] = [];
  await startWorker(
    { queue, lease: 200, delivery: 'at-least-once' },
    { ask: (_payload, context) => Promise.resolve(started.push(context.getAttempt())) },
  );
  return started;
}

describe('a request is not started after its deadline,', () => {
  /** The fields of an attempt. */
  const fields = (origin: string, attempt: number) => [
    ...['event', REQUEST, 'reply_to', 'a-client', 'origin', origin],
    ...(attempt > 1 ? ['attempt', String(attempt)] : []),
  ];

  it.each<[string, (queue: string) => Promise<unknown>]>([
    [
      'when it was handed back by a worker that had not started it',
      (queue) => redis.xadd(`${queue}(event_stream)`, '*', ...fields(expired(), 1)),
    ],
    [
      'when it comes again because its worker went away',
      (queue) => redis.xadd(`${queue}(event_stream)`, '*', ...fields(expired(), 2)),
    ],
    [
      'when it is recovered from a worker that has gone only then',
      async (queue) => {
        const stream = `${queue}(event_stream)`;
        await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
        await redis.xadd(stream, expired(), 'event', REQUEST, 'reply_to', 'a-client');
        await redis.xreadgroup('GROUP', 'elkmq', 'elsewhere.1.100', 'STREAMS', stream, '>');
      },
    ],
    [
      'when it was put off by a retry',
      async (queue) => {
        const origin = expired();
        await redis.zadd(`${queue}(delayed)`, Date.now(), origin);
        await redis.hset(`${queue}(delayed_bodies)`, origin, JSON.stringify(fields(origin, 2)));
      },
    ],
  ])('%s: nothing is kept of it', async (_what, bringBack) => {
    const queue = newQueueName();
    await bringBack(queue);
    const started = await startCounting(queue);
    await until(async () => {
      const keys = Object.keys(await keysOf(queue));
      return (await unsettled(queue)) === 0 && keys.sort().join() === '(event_stream),(workers)';
    });
    expect(started).toEqual([]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('with a deduplication key: those who joined it are told, and its key is free again', async () => {
    const queue = newQueueName();
    const [origin, inbox] = [expired(), `${queue}(inbox):joined`];
    const record = `${queue}(deduplication):request:k`;
    await redis.xadd(inbox, '*', 'created', '');
    await redis.hset(record, { origin, ends: Date.now() + 60_000, waiters: 'a-client 7 joined 8' });
    await redis.xadd(`${queue}(event_stream)`, '*', ...fields(origin, 2), 'deduplication', 'k');
    const started = await startCounting(queue);
    await until(async () => (await unsettled(queue)) === 0);
    expect(started).toEqual([]);
    expect(JSON.stringify(await entriesOf(inbox))).toContain('TIMEOUT_EXPIRED');
    expect(await redis.exists(record)).toBe(0);
  });

  it('from an original client: it is a dead letter, as it is when its first attempt comes too late', async () => {
    const queue = newQueueName();
    await enqueueAsTheOriginal(queue, REQUEST);
    const stream = `${queue}(event_stream)`;
    await redis.del(stream);
    await redis.xadd(stream, '*', 'event', REQUEST, 'origin', expired(), 'attempt', '2');
    const started = await startCounting(queue);
    await until(async () => (await unsettled(queue)) === 0);
    expect(started).toEqual([]);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'expired' }]);
  });
});

describe('the signal of an attempt is aborted, whenever it is first read,', () => {
  /** A clock that the test sets. */
  function attemptAt(clock: { now: number }): Delivery {
    const queued = readEntry(['1000-1', ['event', REQUEST, 'reply_to', 'a-client']]);
    if (!queued) throw new Error('it is an event');
    const settler = { now: () => clock.now } as DeliverySettler;
    return new Delivery(queued, { consumer: 'w.1.1000', sentAt: 0 }, settler);
  }

  it('after its deadline', () => {
    const clock = { now: 1_000 };
    const attempt = attemptAt(clock);
    clock.now += TIMEOUT_MS;
    expect(attempt.signal(true).aborted).toBe(true);
    expect(attempt.signal(true).reason).toBeInstanceOf(TimeoutExpiredError);
  });

  it('and when it is read again after its deadline, while its handler has kept the processor', () => {
    const clock = { now: 1_000 };
    const attempt = attemptAt(clock);
    const first = attempt.signal(true);
    expect(first.aborted).toBe(false);
    clock.now += TIMEOUT_MS;
    expect(attempt.signal(true)).toBe(first);
    expect(first.aborted).toBe(true);
  });

  it.each([
    ['after its requester has stopped waiting', (attempt: Delivery) => attempt.cancel(), CancelledError],
    [
      'after the lease was lost, or its worker has stopped',
      (attempt: Delivery) => attempt.abort(new AbandonedError('lost')),
      AbandonedError,
    ],
  ])('%s, though its deadline is over as well', (_what, end, reason) => {
    const clock = { now: 1_000 };
    const attempt = attemptAt(clock);
    end(attempt);
    clock.now += TIMEOUT_MS;
    expect(attempt.signal(true).aborted).toBe(true);
    expect(attempt.signal(true).reason).toBeInstanceOf(reason);
  });
});
