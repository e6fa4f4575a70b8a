import { ElkMqServer } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, moduleOf, startApp } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { emitPay, failing, isSettled, watched } from '../support/failing.js';

/** The pauses between calls, ms. */
function pauses(calls: { at: number }[]): number[] {
  return calls.slice(1).map(({ at }, index) => at - (calls[index] as { at: number }).at);
}

describe('an event whose handler failed', () => {
  it('is not tried again unless that is asked for', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(1);
    await startApp(moduleOf(events({ pay: handler })), { queue });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(1);
  });

  it('is tried again until it succeeds, as the same message with the next attempt', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(2);
    const retry = { attempts: 5, backoff: 100 };
    await startApp(moduleOf(events({ pay: handler })), { queue, retry });
    await emitPay(queue);
    await until(() => calls.length === 3);
    await until(() => isSettled(queue));
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(calls.map(({ timestamp }) => timestamp)).size).toBe(1);
    for (const pause of pauses(calls)) expect(pause).toBeGreaterThanOrEqual(100);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('becomes a dead letter after the last attempt, with what was thrown', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(9);
    await startApp(watched(events({ pay: handler })), { queue, retry: { attempts: 3, backoff: 10 } });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(3);
    const [letter] = await deadLettersOf(queue);
    expect(letter).toMatchObject({
      reason: 'failed',
      attempts: 3,
      error: { name: 'PaymentError', message: 'payment answered 503' },
    });
    expect(letter?.error?.stack).toContain('support/failing.ts');
    expect(await isSettled(queue)).toBe(true);
  });

  it('waits twice as long each time with exponential back-off, up to max, less the jitter', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(4);
    const backoff = { type: 'exponential', delay: 100, max: 300, jitter: 0.2 } as const;
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 5, backoff } });
    const full = [100, 200, 300, 300];
    // A busy machine may need several tries to be on time.
    await until(async () => {
      calls.length = 0;
      await emitPay(queue);
      await until(() => calls.length === 5);
      const all = pauses(calls);
      for (const [index, pause] of all.entries())
        expect(pause).toBeGreaterThanOrEqual((full[index] as number) * 0.8);
      return all.every((pause, index) => pause < (full[index] as number) + 90);
    });
  });

  it('comes back when it is due, not only when a worker looks for what is', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(Infinity);
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 1_000, backoff: 20 } });
    await emitPay(queue);
    // A worker looks once a second; on a busy machine not every attempt is on time.
    await until(() => pauses(calls).filter((pause) => pause < 500).length === 4);
  });

  it('does not come back together with what failed together', async () => {
    const queue = newQueueName();
    const { handler } = failing(Infinity);
    // With all of the jitter some would be due before the last one is there.
    const backoff = { type: 'fixed', delay: 3_600_000, jitter: 0.5 } as const;
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 2, backoff } });
    await Promise.all(Array.from({ length: 20 }, () => emitPay(queue)));
    await until(async () => (await redis.zcard(`${queue}(delayed)`)) === 20);
    const scores = (await redis.zrange(`${queue}(delayed)`, '0', '-1', 'WITHSCORES')).filter(
      (_, i) => i % 2 === 1,
    );
    expect(Number(scores.at(-1)) - Number(scores[0])).toBeGreaterThan(600_000);
  });

  it('has the policy of its handler, where that has one', async () => {
    const queue = newQueueName();
    const [own, common] = [failing(9), failing(9)];
    const controllers = [
      events({ pay: own.handler }, { retry: { attempts: 2, backoff: 10 } }),
      events({ ship: common.handler }),
    ];
    await startApp(moduleOf(...controllers), { queue, retry: { attempts: 4, backoff: 10 } });
    await emitPay(queue, 'pay');
    await emitPay(queue, 'ship');
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect([own.calls.length, common.calls.length]).toEqual([2, 4]);
  });

  it('is tried again by another worker, when its own has gone', async () => {
    const queue = newQueueName();
    const [first, second] = [failing(9), failing(0)];
    const retry = { attempts: 3, backoff: 300 };
    const app = await startApp(moduleOf(events({ pay: first.handler })), { queue, retry });
    await emitPay(queue);
    await until(async () => (await redis.zcard(`${queue}(delayed)`)) === 1);
    await app.close();
    await startApp(moduleOf(events({ pay: second.handler })), { queue, retry });
    await until(() => second.calls.length === 1);
    expect(second.calls[0]?.attempt).toBe(2);
    await until(() => isSettled(queue));
  });
});

it.each([
  [3, 'retry must be { attempts, backoff, when }, got 3'],
  [{}, 'retry.attempts must be given'],
  [{ attempts: 0 }, 'retry.attempts must be a whole number from 1'],
  [{ attempts: 2, delay: 5 }, 'retry has no option "delay"; it has attempts, backoff, when'],
  [{ attempts: 2, backoff: -1 }, 'retry.backoff must be a number of milliseconds from 0'],
  [
    { attempts: 2, backoff: 'slow' },
    'retry.backoff must be a number of milliseconds or { delay, jitter, max, type }',
  ],
  [
    { attempts: 2, backoff: { type: 'linear', delay: 1 } },
    "retry.backoff.type must be 'fixed' or 'exponential'",
  ],
  [{ attempts: 2, backoff: { type: 'fixed' } }, 'retry.backoff.delay must be given'],
  [
    { attempts: 2, backoff: { type: 'fixed', delay: 1, jitter: 2 } },
    'retry.backoff.jitter must be a number from 0 to 1',
  ],
  [{ attempts: 2, when: true }, 'retry.when must be a function, got true'],
])('a wrong policy is refused: %j', (retry, message) => {
  expect(() => new ElkMqServer({ queue: 'orders', retry: retry as never })).toThrow(message);
});
