import { concat, firstValueFrom, lastValueFrom, of, Subject, tap } from 'rxjs';
import {
  ElkMqRecordBuilder,
  ElkMqServer,
  type ElkMqClient,
  type ElkMqContext,
  type ElkMqServerOptions,
} from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf, durableRedis } from './support/own-redis.js';
import { TestProcess } from './support/processes.js';
import { Proxy } from './support/proxy.js';
import { deadLettersOf, listening, logs, startClient, told, unsettled } from './support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from './support/queue.js';
import { runScript } from '../libs/elkmq/src/core/redis/scripts.js';

const LEASE = 1_000;

type Handler = (payload: unknown, context: ElkMqContext) => Promise<unknown>;

/** A worker of this process. */
async function startWorker(
  options: ElkMqServerOptions,
  handlers: Record<string, Handler> = {},
  extras: Record<string, unknown> = {},
): Promise<ElkMqServer> {
  const server = new ElkMqServer({ url, lease: LEASE, ...options });
  for (const [pattern, handler] of Object.entries(handlers)) {
    server.addHandler(pattern, handler, pattern.endsWith('event'), extras);
  }
  return listening(server);
}

/** A worker of a process of its own, which can be killed. */
function startDoomed(options: ElkMqServerOptions): Promise<TestProcess> {
  return TestProcess.start('leased-worker', JSON.stringify({ url, lease: LEASE, ...options }));
}

async function send(client: ElkMqClient, pattern: string, payload: unknown): Promise<unknown> {
  return lastValueFrom(client.send<unknown>(pattern, payload), { defaultValue: undefined });
}

describe("with delivery 'once', when a worker is killed in the middle", () => {
  it('a request fails with ABANDONED within two leases, is a dead letter, and is not started again', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue });
    const client = startClient({ queue });
    const outcome = rejection(send(client, 'hang', 'once'));
    await doomed.told('taken');
    const seen: unknown[] = [];
    await startWorker({ queue }, { hang: (payload) => Promise.resolve(seen.push(payload)) });

    const killed = performance.now();
    doomed.kill('SIGKILL');
    expect(await outcome).toMatchObject({ code: 'ABANDONED', name: 'AbandonedError' });
    // Two leases, and what a busy machine takes.
    expect(performance.now() - killed).toBeLessThan(2 * LEASE + 1_000);
    expect(seen).toEqual([]);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned', attempts: 1 }]);
    expect(await unsettled(queue)).toBe(0);
  });

  it('an event becomes a dead letter', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue });
    startClient({ queue }).emit('hang event', 'once');
    await doomed.told('taken');
    await startWorker({ queue });
    doomed.kill('SIGKILL');
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned' }]);
  });

  it('its own lease counts, not the longer one of the worker that finds it', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue });
    startClient({ queue }).emit('hang event', 'once');
    await doomed.told('taken');
    await startWorker({ queue, lease: 600_000 });
    doomed.kill('SIGKILL');
    await until(async () => (await deadLettersOf(queue)).length === 1);
  });

  it('a request that has answered in part ends with an error after the values that came', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue, delivery: 'at-least-once' });
    const client = startClient({ queue });
    const values: unknown[] = [];
    const outcome = rejection(
      new Promise((resolve, reject) => {
        client.send('hang after two values', 0).subscribe({
          next: (value) => values.push(value),
          error: reject,
          complete: () => resolve(undefined),
        });
      }),
    );
    await until(() => values.length === 2);
    // Even with at-least-once: a second attempt would answer the same again.
    await startWorker(
      { queue, delivery: 'at-least-once' },
      { 'hang after two values': () => Promise.resolve(3) },
    );
    doomed.kill('SIGKILL');
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    expect(values).toEqual([1, 2]);
  });
});

describe("with delivery 'at-least-once', when a worker is killed in the middle", () => {
  it('another worker gets the message, as the second attempt', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue, delivery: 'at-least-once' });
    const client = startClient({ queue });
    const answer = firstValueFrom(client.send('hang', 'again'));
    client.emit('hang event', 'again');
    await doomed.told('taken');
    await doomed.told('taken');
    const attempts: number[] = [];
    const handler: Handler = (payload, context) => {
      attempts.push(context.getAttempt());
      return Promise.resolve(payload);
    };
    await startWorker({ queue, delivery: 'at-least-once' }, { hang: handler, 'hang event': handler });
    doomed.kill('SIGKILL');
    expect(await answer).toBe('again');
    await until(async () => (await unsettled(queue)) === 0);
    expect(attempts).toEqual([2, 2]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('also when its timeout is over by then', async () => {
    const queue = newQueueName();
    const payloads: unknown[] = [];
    await startWorker({ queue }, { 'old event': (payload) => Promise.resolve(payloads.push(payload)) });
    const json = '{"request_uuid":7,"timeout":1,"action":"old event","payload":"1"}';
    const again = ['event', json, 'reply_to', '', 'origin', '1-1', 'attempt', '2'];
    await redis.xadd(`${queue}(event_stream)`, '*', ...again);
    await until(() => payloads.length === 1);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('a handler can ask for it alone', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue });
    const client = startClient({ queue });
    const answer = firstValueFrom(client.send('hang', 'again'));
    await doomed.told('taken');
    await startWorker(
      { queue },
      { hang: (payload) => Promise.resolve(payload) },
      { delivery: 'at-least-once' },
    );
    doomed.kill('SIGKILL');
    expect(await answer).toBe('again');
  });

  it('a message that was handed out too often is a dead letter, and its requester is told', async () => {
    const queue = newQueueName();
    const doomed = await startDoomed({ queue, delivery: 'at-least-once' });
    const outcome = rejection(send(startClient({ queue }), 'hang', 'poison'));
    await doomed.told('taken');
    await startWorker({ queue, delivery: 'at-least-once', maxDeliveries: 1 });
    doomed.kill('SIGKILL');
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'exhausted', attempts: 1 }]);
  });
});

describe('a worker that lives keeps its messages', () => {
  it('however long it takes', async () => {
    const queue = newQueueName();
    const seen: unknown[] = [];
    const slow: Handler = async (payload) => {
      seen.push(payload);
      await sleep(5 * 300);
      return payload;
    };
    const options = { queue, lease: 300, delivery: 'at-least-once' } as const;
    await startWorker(options, { slow });
    await startWorker(options, { slow });
    expect(await firstValueFrom(startClient({ queue }).send('slow', 'mine'))).toBe('mine');
    expect(seen).toEqual(['mine']);
  });

  it('also when Redis was down for three leases', async () => {
    const server = await durableRedis();
    const queue = newQueueName();
    const seen: unknown[] = [];
    let finish: (value: string) => void = () => undefined;
    const slow: Handler = (payload) => {
      seen.push(payload);
      return new Promise((resolve) => (finish = resolve));
    };
    const lease = 2 * LEASE;
    const options = { queue, url: server.url, lease, delivery: 'at-least-once' } as const;
    await startWorker(options, { slow });
    await startWorker(options, { slow });
    const answer = firstValueFrom(startClient({ queue, url: server.url }).send('slow', 'mine'));
    await until(() => seen.length === 1);
    await server.kill();
    await sleep(3 * lease);
    await server.restart();
    // Long enough for a recoverer to take it, if it would.
    await sleep(2.5 * lease);
    finish('done');
    expect(await answer).toBe('done');
    expect(seen).toEqual(['mine']);
    expect(await clientOf(server).hvals(`${queue}(dead_letter_bodies)`)).toEqual([]);
  });
});

it('a worker that was stopped for longer than its lease cannot answer any more; its late success withdraws the dead letter', async () => {
  const queue = newQueueName();
  const stalled = await startDoomed({ queue });
  const client = startClient({ queue });
  const outcomes = told(client.send('finish when told', 'late'));
  await stalled.told('taken');
  await startWorker({ queue });
  stalled.kill('SIGSTOP');
  await until(async () => (await deadLettersOf(queue)).length === 1);
  stalled.kill('SIGCONT');
  stalled.tell('finish');
  await stalled.told('finished');
  await until(async () => (await deadLettersOf(queue)).length === 0);
  expect(await outcomes).toMatchObject([{ kind: 'E', error: { code: 'ABANDONED' } }]);
  expect(await unsettled(queue)).toBe(0);
});

it("what Redis handed to a connection that broke is handled, with delivery 'once' too", async () => {
  const proxy = closing(await Proxy.before(url));
  const queue = newQueueName();
  const seen: unknown[] = [];
  const count: Handler = (payload) => Promise.resolve(seen.push(payload));
  await startWorker({ queue, url: proxy.url }, { 'count event': count });
  const client = startClient({ queue });
  await lastValueFrom(client.emit('count event', 0), { defaultValue: undefined });
  await until(() => seen.length === 1);
  proxy.loseAnswers(/xreadgroup/i, 3);
  for (let i = 1; i <= 100; i++) {
    await lastValueFrom(client.emit('count event', i), { defaultValue: undefined });
    await sleep(i % 10 === 0 ? 20 : 0);
  }
  await until(async () => (await unsettled(queue)) === 0, 20_000);
  expect(proxy.lost).toBeGreaterThan(0);
  expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 101 }, (_, i) => i));
  expect(await deadLettersOf(queue)).toEqual([]);
});

it('what has arrived is not handed out again when the connection breaks while it is being handled', async () => {
  const proxy = closing(await Proxy.before(url));
  const queue = newQueueName();
  const seen: unknown[] = [];
  const ends: (() => void)[] = [];
  const count: Handler = (payload) => {
    seen.push(payload);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const worker = await startWorker({ queue, url: proxy.url }, { 'count event': count });
  const client = startClient({ queue });
  for (const payload of [1, 2, 3]) {
    client.emit('count event', payload);
    await until(() => seen.includes(payload));
    proxy.cut();
  }
  for (const end of ends) end();
  await worker.close();
  expect(seen).toEqual([1, 2, 3]);
});

it('what cannot be put back when a connection broke is left to others, and its worker can close', async () => {
  const proxy = closing(await Proxy.before(url));
  const queue = newQueueName();
  const malformed = async () =>
    (await deadLettersOf(queue)).filter(({ reason }) => reason === 'malformed').length;
  const worker = await startWorker({ queue, url: proxy.url });
  proxy.loseAnswers(/xreadgroup/i);
  // The answer that is lost may be that with the second one, if a read was on its way before.
  for (const seen of [1, 2]) {
    await redis.xadd(`${queue}(event_stream)`, '*', ...Array.from({ length: 8_000 }, () => 'x'));
    await until(async () => proxy.lost + (await malformed()) === seen);
  }
  expect(proxy.lost).toBe(1);
  await worker.close();
  await startWorker({ queue });
  await until(async () => (await malformed()) === 2);
});

describe('a handler that still runs when drainTimeout is over', () => {
  function hanging() {
    const calls: unknown[] = [];
    const hang: Handler = (payload) => {
      calls.push(payload);
      return new Promise(() => undefined);
    };
    return { calls, hang };
  }

  it("is abandoned at once with 'once'", async () => {
    const queue = newQueueName();
    const { calls, hang } = hanging();
    const worker = await startWorker({ queue, lease: 30_000, drainTimeout: 50 }, { hang });
    const outcome = rejection(send(startClient({ queue }), 'hang', 1));
    await until(() => calls.length === 1);
    await worker.close();
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned' }]);
    expect(logs.some((line) => line.includes('1 handler(s) still running after 50 ms'))).toBe(true);
  });

  it("is handed to another worker with 'at-least-once'", async () => {
    const queue = newQueueName();
    const { calls, hang } = hanging();
    const options = { queue, lease: 30_000, drainTimeout: 50, delivery: 'at-least-once' } as const;
    const worker = await startWorker(options, { hang });
    const answer = firstValueFrom(startClient({ queue }).send('hang', 1));
    await until(() => calls.length === 1);
    await worker.close();
    await startWorker(options, { hang: () => Promise.resolve('by another') });
    expect(await answer).toBe('by another');
  });
});

describe('when the consumer group is deleted under a worker', () => {
  it('what has been handled by then is answered, beside a request that has answered in part', async () => {
    const queue = newQueueName();
    const whole = new Subject<string>();
    const part = new Subject<string>();
    let running = 0;
    await startWorker(
      // No slot is free, so nothing is read that would make the group anew.
      { queue, concurrency: 2 },
      { whole: () => (running++, Promise.resolve(whole)), part: () => (running++, Promise.resolve(part)) },
    );
    const client = startClient({ queue });
    const answer = send(client, 'whole', 1);
    const values: unknown[] = [];
    const following = client.send('part', 2).subscribe((value) => values.push(value));
    await until(() => running === 2);
    await redis.xgroup('DESTROY', `${queue}(event_stream)`, 'elkmq');

    whole.next('answer');
    whole.complete();
    part.next('first');
    expect(await answer).toBe('answer');
    following.unsubscribe();
    part.complete();
  });

  it('a request that had answered in part, and is run again, fails', async () => {
    const queue = newQueueName();
    const prices = new Subject<number>();
    await startWorker({ queue }, { prices: () => Promise.resolve(concat(of(1, 2), prices)) });
    const values: unknown[] = [];
    const outcome = rejection(
      lastValueFrom(
        startClient({ queue })
          .send('prices', {})
          .pipe(tap((value) => values.push(value))),
      ),
    );
    await until(() => values.length === 2);
    // As a worker puts back what nothing says of that it has answered.
    const keys = ['event_stream', 'message_queue', 'leftovers'].map((name) => `${queue}(${name})`);
    const [id] = (await redis.xrange(`${queue}(event_stream)`, '-', '+'))[0] ?? [];
    await runScript(redis, 'requeue', keys, ['elkmq', 1, '', 0, '', 1_000, String(id)]);
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    expect(values).toEqual([1, 2]);
    prices.complete();
  });

  it.each([
    ['request', 'refused', false, 1],
    ['request', 'refused after a try in doubt', true, 1],
    ['deduplicated request', 'refused', false, new ElkMqRecordBuilder(1).setDeduplicationKey('k').build()],
  ])(
    'a %s whose values were %s is run again, and its requester gets all',
    async (_what, _how, isInDoubt, data) => {
      const queue = newQueueName();
      const runs: Subject<string>[] = [];
      const run = () => {
        const values = new Subject<string>();
        runs.push(values);
        return Promise.resolve(values);
      };
      const proxy = closing(await Proxy.before(url));
      await startWorker({ queue, concurrency: 1, url: proxy.url }, { run });
      const values: unknown[] = [];
      const answer = lastValueFrom(
        startClient({ queue })
          .send('run', data)
          .pipe(tap((value) => values.push(value))),
      );
      await until(() => runs.length === 1);
      await redis.xgroup('DESTROY', `${queue}(event_stream)`, 'elkmq');

      if (isInDoubt) proxy.loseRequests(/lost/);
      runs[0]?.next('lost');
      await until(() => runs.length === 2);
      runs[0]?.next('not to be seen');
      runs[0]?.complete();
      runs[1]?.next('first');
      await until(() => values.length === 1);
      runs[1]?.next('second');
      runs[1]?.complete();
      await answer;
      expect(values).toEqual(['first', 'second']);
    },
  );
});
