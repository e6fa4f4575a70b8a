import { concat, firstValueFrom, lastValueFrom, of, Subject, tap } from 'rxjs';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { putBack } from '../support/entries.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { deadLettersOf, logs, startClient, unsettled } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { ask, startWorker, type Handler } from '../support/workers.js';

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
    // Apart, so that they come with several reads.
    if (i % 10 === 0 && i <= 30) await until(() => proxy.lost >= i / 10);
  }
  await until(async () => (await unsettled(queue)) === 0);
  expect(proxy.lost).toBe(3);
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
    const outcome = rejection(ask(startClient({ queue }), 'hang', 1));
    await until(() => calls.length === 1);
    await worker.close();
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned' }]);
    expect(logs.some((line) => line.includes('1 handler(s) still running after 50 ms'))).toBe(true);
  });

  it('does not keep its worker from closing when Redis refuses to be told', async () => {
    const server = await ownRedis();
    const { calls, hang } = hanging();
    const queue = newQueueName();
    const worker = await startWorker({ queue, url: server.url, drainTimeout: 50 }, { 'hang event': hang });
    startClient({ queue, url: server.url }).emit('hang event', 1);
    await until(() => calls.length === 1);
    await clientOf(server).config('SET', 'min-replicas-to-write', 1);
    await worker.close();
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
    const answer = ask(client, 'whole', 1);
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
    const [id] = (await redis.xrange(`${queue}(event_stream)`, '-', '+'))[0] ?? [];
    await putBack(queue, String(id), 1);
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
