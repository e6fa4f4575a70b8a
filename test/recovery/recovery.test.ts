import { ElkMqServer, QueueAdmin } from 'nestjs-elkmq';
import { firstValueFrom, NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf, durableRedis } from '../support/own-redis.js';
import { eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { deadLettersOf, listening, startClient, told, unsettled, valuesOf } from '../support/nest.js';
import { TestProcess } from '../support/processes.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { LEASE, ask, renewals, startDoomed, startWorker, type Handler } from '../support/workers.js';
import { mayRun } from '../support/test-redis.js';

describe("with delivery 'once', when a worker is killed in the middle", () => {
  // A worker that may not ask whether Redis has just been restarted begins as if it had.
  const graceMs = mayRun('info') ? 0 : 5_000;

  it('a request fails with ABANDONED within two leases, is a dead letter, and is not started again', async () => {
    // A busy machine may need several tries to be so quick.
    await until(async () => {
      const queue = newQueueName();
      const doomed = await startDoomed({ queue });
      const client = startClient({ queue });
      const outcome = rejection(ask(client, 'hang', 'once'));
      await doomed.told('taken');
      const seen: unknown[] = [];
      await startWorker({ queue }, { hang: (payload) => Promise.resolve(seen.push(payload)) });

      const killed = performance.now();
      doomed.kill('SIGKILL');
      expect(await outcome).toMatchObject({ code: 'ABANDONED', name: 'AbandonedError' });
      const took = performance.now() - killed;
      expect(seen).toEqual([]);
      expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned', attempts: 1 }]);
      expect(await unsettled(queue)).toBe(0);
      return took < 2 * LEASE + 500 + graceMs;
    });
  });

  it('a caller is told within its timeout, when neither it nor the workers have options', async () => {
    const queue = newQueueName();
    const doomed = await TestProcess.start('leased-worker', JSON.stringify({ url, queue }));
    const outcome = rejection(ask(startClient({ queue }), 'hang', 'by default'));
    await listening(new ElkMqServer({ url, queue }));
    await doomed.told('taken');
    doomed.kill('SIGKILL');
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
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
    const errors: unknown[] = [];
    const admin = closing(new QueueAdmin(queue, url));
    const handler: Handler = async (payload, context) => {
      attempts.push(context.getAttempt());
      for (const message of (await admin.messages('running')).messages) errors.push(...message.errors);
      return payload;
    };
    await startWorker({ queue, delivery: 'at-least-once' }, { hang: handler, 'hang event': handler });
    doomed.kill('SIGKILL');
    expect(await answer).toBe('again');
    await until(async () => (await unsettled(queue)) === 0);
    expect(attempts).toEqual([2, 2]);
    const message = expect.stringContaining('its worker went away while it was handling') as string;
    expect(errors[0]).toEqual({
      attempt: 1,
      at: expect.any(Number) as number,
      name: 'AbandonedError',
      message,
    });
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
    const outcome = rejection(ask(startClient({ queue }), 'hang', 'poison'));
    await doomed.told('taken');
    await startWorker({ queue, delivery: 'at-least-once', maxDeliveries: 1 });
    doomed.kill('SIGKILL');
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
    const error = { message: 'its worker went away once, and maxDeliveries is 1' };
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'exhausted', attempts: 1, error }]);
  });

  it('attempts that failed do not count for maxDeliveries', async () => {
    const queue = newQueueName();
    const retry = { attempts: 10, backoff: 1 };
    const options = { queue, delivery: 'at-least-once', maxDeliveries: 2, retry } as const;
    const doomed = await startDoomed(options);
    startClient({ queue }).emit('fail twice, then hang event', 'good');
    await doomed.told('taken');
    const attempts: number[] = [];
    await startWorker(options, {
      'fail twice, then hang event': (_, context) => {
        attempts.push(context.getAttempt());
        return attempts.length < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve();
      },
    });
    doomed.kill('SIGKILL');
    await until(async () => (await unsettled(queue)) === 0 && attempts.length === 3);
    expect(attempts).toEqual([4, 5, 6]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('workers that went away count for maxDeliveries, also when attempts have failed between them', async () => {
    const queue = newQueueName();
    await valuesOf(startClient({ queue }).emit('job event', 'poison'));
    const retry = { attempts: 10, backoff: 1 };
    const options = { queue, delivery: 'at-least-once', maxDeliveries: 2, retry, drainTimeout: 1 } as const;
    const attempts: number[] = [];
    // Each worker has one attempt that fails, and goes away in the next one.
    const job: Handler = (_, context) => {
      const attempt = context.getAttempt();
      attempts.push(attempt);
      if (attempt === 3) context.retry(1);
      return attempt === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve(NEVER);
    };
    for (const last of [2, 4]) {
      const worker = await startWorker(options, { 'job event': job });
      await until(() => attempts.length === last);
      await worker.close();
    }
    const error = { message: 'its worker went away 2 times, and maxDeliveries is 2' };
    const [letter, ...others] = await deadLettersOf(queue);
    expect(letter).toMatchObject({ reason: 'exhausted', attempts: 4, error });
    expect(others).toEqual([]);

    // A dead letter that is retried starts anew.
    const events = newQueue(queue);
    expect(await events.deadLetters.retry({})).toBe(1);
    const [entry] = await eventsOf(queue);
    expect(entry?.fields).not.toContain('abandoned_attempts');
    expect(attempts).toEqual([1, 2, 3, 4]);
  });
});

describe('a worker that lives keeps its messages', () => {
  it('however long it takes', async () => {
    const queue = newQueueName();
    const seen: unknown[] = [];
    const slow: Handler = async (payload) => {
      seen.push(payload);
      // The handler runs for more than two leases.
      await renewals(queue, 7);
      return payload;
    };
    const options = { queue, lease: LEASE, delivery: 'at-least-once' } as const;
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
    // An outage has to last for so long.
    await sleep(3 * lease);
    await server.restart();
    // Until each recoverer has seen it three times: then it would be taken. Each look ends with one at the consumers.
    const looks = async () =>
      /^cmdstat_xinfo(?:\|consumers)?:calls=(\d+)/m.exec(await clientOf(server).info('commandstats'))?.[1];
    await until(async () => Number((await looks()) ?? 0) >= 6);
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
