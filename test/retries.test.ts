import { type Type, UseFilters, UseInterceptors } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { BaseRpcExceptionFilter, RpcException } from '@nestjs/microservices';
import { Catch } from '@nestjs/common';
import { ElkMqErrorInterceptor, ElkMqServer, type ElkMqContext, type ElkMqRetryOptions } from 'nestjs-elkmq';
import { concat, lastValueFrom, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, logs, moduleOf, requests } from './support/nest.js';
import { startApp, startClient, told, unsettled } from './support/nest.js';
import { newQueueName, redis, rejection, until } from './support/queue.js';

/** An error with a class and fields of its own. */
class PaymentError extends Error {
  override readonly name = 'PaymentError';

  constructor(readonly status: number) {
    super(`payment answered ${status}`);
  }
}

/** With the interceptor for all handlers. */
function watched(...controllers: Type[]) {
  return {
    ...moduleOf(...controllers),
    providers: [{ provide: APP_INTERCEPTOR, useClass: ElkMqErrorInterceptor }],
  };
}

/** A handler that fails so many times, and notes when it was called. */
function failing(times: number, error: () => unknown = () => new PaymentError(503)) {
  const calls: { at: number; attempt: number; timestamp: number }[] = [];
  const handler = (data: unknown, context: ElkMqContext): unknown => {
    calls.push({ at: Date.now(), attempt: context.getAttempt(), timestamp: context.getTimestamp() });
    if (calls.length <= times) throw error();
    return data;
  };
  return { calls, handler };
}

async function emit(queue: string, pattern = 'pay'): Promise<void> {
  await lastValueFrom(startClient({ queue }).emit(pattern, { id: 7 }), { defaultValue: undefined });
}

async function isSettled(queue: string): Promise<boolean> {
  return (await unsettled(queue)) === 0 && (await redis.zcard(`${queue}(delayed)`)) === 0;
}

/** The pauses between calls, ms. */
function pauses(calls: { at: number }[]): number[] {
  return calls.slice(1).map(({ at }, index) => at - (calls[index] as { at: number }).at);
}

describe('an event whose handler failed', () => {
  it('is not tried again unless that is asked for', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(1);
    await startApp(moduleOf(events({ pay: handler })), { queue });
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(1);
  });

  it('is tried again until it succeeds, as the same message with the next attempt', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(2);
    const retry = { attempts: 5, backoff: 100 };
    await startApp(moduleOf(events({ pay: handler })), { queue, retry });
    await emit(queue);
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
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(3);
    const [letter] = await deadLettersOf(queue);
    expect(letter).toMatchObject({
      reason: 'failed',
      attempts: 3,
      error: { name: 'PaymentError', message: 'payment answered 503' },
    });
    expect(letter?.error?.stack).toContain('retries.test.ts');
    expect(await isSettled(queue)).toBe(true);
  });

  it('waits twice as long each time with exponential back-off, up to max, less the jitter', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(4);
    const backoff = { type: 'exponential', delay: 100, max: 300, jitter: 0.2 } as const;
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 5, backoff } });
    await emit(queue);
    await until(() => calls.length === 5);
    for (const [index, full] of [100, 200, 300, 300].entries()) {
      const pause = pauses(calls)[index] as number;
      expect(pause).toBeGreaterThanOrEqual(full * 0.8);
      expect(pause).toBeLessThan(full + 1_000);
    }
  });

  it('comes back when it is due, not only when a worker looks for what is', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(8);
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 9, backoff: 20 } });
    await emit(queue);
    // A worker looks once a second.
    await until(() => calls.length === 9, 5_000);
  });

  it('does not come back together with what failed together', async () => {
    const queue = newQueueName();
    const { handler } = failing(Infinity);
    const backoff = { type: 'fixed', delay: 60_000, jitter: 1 } as const;
    await startApp(moduleOf(events({ pay: handler })), { queue, retry: { attempts: 2, backoff } });
    await Promise.all(Array.from({ length: 20 }, () => emit(queue)));
    await until(async () => (await redis.zcard(`${queue}(delayed)`)) === 20);
    const scores = (await redis.zrange(`${queue}(delayed)`, '0', '-1', 'WITHSCORES')).filter(
      (_, i) => i % 2 === 1,
    );
    expect(Number(scores.at(-1)) - Number(scores[0])).toBeGreaterThan(20_000);
  });

  it('has the policy of its handler, where that has one', async () => {
    const queue = newQueueName();
    const [own, common] = [failing(9), failing(9)];
    const controllers = [
      events({ pay: own.handler }, { retry: { attempts: 2, backoff: 10 } }),
      events({ ship: common.handler }),
    ];
    await startApp(moduleOf(...controllers), { queue, retry: { attempts: 4, backoff: 10 } });
    await emit(queue, 'pay');
    await emit(queue, 'ship');
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect([own.calls.length, common.calls.length]).toEqual([2, 4]);
  });

  it('is tried again by another worker, when its own has gone', async () => {
    const queue = newQueueName();
    const [first, second] = [failing(9), failing(0)];
    const retry = { attempts: 3, backoff: 300 };
    const app = await startApp(moduleOf(events({ pay: first.handler })), { queue, retry });
    await emit(queue);
    await until(async () => (await redis.zcard(`${queue}(delayed)`)) === 1);
    await app.close();
    await startApp(moduleOf(events({ pay: second.handler })), { queue, retry });
    await until(() => second.calls.length === 1);
    expect(second.calls[0]?.attempt).toBe(2);
    await until(() => isSettled(queue));
  });
});

describe('retry.when decides by the error itself', () => {
  const seen: unknown[] = [];
  const when: ElkMqRetryOptions['when'] = (error, context) => {
    seen.push(error, context.getPattern());
    return error instanceof PaymentError && error.status >= 500;
  };
  const retry = { attempts: 3, backoff: 10, when };

  @Catch()
  class EverythingIsFive extends BaseRpcExceptionFilter {
    override catch() {
      return throwError(() => ({ code: 5 }));
    }
  }

  function filtered(controller: Type): Type {
    UseFilters(EverythingIsFive)(controller);
    return controller;
  }

  it.each([
    ['thrown', (controller: Type) => controller, () => new PaymentError(503), 3],
    ['not worth it', (controller: Type) => controller, () => new PaymentError(402), 1],
    ['of another class', (controller: Type) => controller, () => new TypeError('a bug'), 1],
    ['changed by a filter', filtered, () => new PaymentError(503), 3],
  ])('%s', async (_what, change, error, attempts) => {
    seen.length = 0;
    const queue = newQueueName();
    const { calls, handler } = failing(9, error);
    await startApp(watched(change(events({ pay: handler }))), { queue, retry });
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(attempts);
    expect(seen.slice(0, 2)).toMatchObject([error(), 'pay']);
    expect(await deadLettersOf(queue)).toMatchObject([{ error: { message: (error() as Error).message } }]);
  });

  it('rejected or sent by an Observable', async () => {
    const queue = newQueueName();
    let calls = 0;
    const rejects = () => (calls++, Promise.reject(new PaymentError(500)));
    const streams = () => (
      calls++,
      concat(
        of(1),
        throwError(() => new PaymentError(500)),
      )
    );
    await startApp(watched(events({ rejects, streams })), { queue, retry });
    await emit(queue, 'rejects');
    await emit(queue, 'streams');
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect(calls).toBe(6);
  });

  it('with the interceptor on the controller alone', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(2);
    const controller = events({ pay: handler });
    UseInterceptors(ElkMqErrorInterceptor)(controller);
    await startApp(moduleOf(controller), { queue, retry });
    await emit(queue);
    await until(() => calls.length === 3);
  });

  it('and of an RpcException by what it says, without an interceptor', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(9, () => new RpcException({ retriable: true }));
    const retriable = (error: unknown) => (error as { retriable?: boolean }).retriable === true;
    const app = moduleOf(events({ pay: handler }));
    await startApp(app, { queue, retry: { attempts: 2, backoff: 10, when: retriable } });
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(2);
  });

  it('where it cannot see it, the log says so', async () => {
    const queue = newQueueName();
    const { handler } = failing(9);
    await startApp(moduleOf(events({ pay: handler })), { queue, retry });
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(logs).toContainEqual(
      expect.stringMatching(/warn .*retry\.when of 'pay' cannot see what was thrown/),
    );
  });

  it('when it throws itself, the message is not tried again', async () => {
    const queue = newQueueName();
    const { handler } = failing(9);
    const throwing = () => {
      throw new Error('a bug in when');
    };
    await startApp(watched(events({ pay: handler })), { queue, retry: { attempts: 3, when: throwing } });
    await emit(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ error: { name: 'PaymentError' } }]);
  });
});

describe('a request whose handler failed', () => {
  const retry = { attempts: 3, backoff: 20 };

  it('is answered with the error, unless its handler has a policy', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(9, () => new RpcException('sold out'));
    await startApp(moduleOf(requests({ pay: handler })), { queue, retry });
    expect(await rejection(lastValueFrom(startClient({ queue }).send('pay', 1)))).toMatchObject({
      message: 'sold out',
    });
    expect(calls).toHaveLength(1);
  });

  it('is tried again when its handler has one', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(2);
    await startApp(moduleOf(requests({ pay: handler }, { retry })), { queue });
    expect(await lastValueFrom(startClient({ queue }).send('pay', 'paid'))).toBe('paid');
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await isSettled(queue)).toBe(true);
  });

  it('is answered with the error of the last attempt', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(9, () => new RpcException(`sold out ${calls.length}`));
    await startApp(moduleOf(requests({ pay: handler }, { retry })), { queue });
    const outcome = rejection(lastValueFrom(startClient({ queue }).send('pay', 1)));
    expect(await outcome).toMatchObject({ message: 'sold out 3' });
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('is not tried again once it has answered in part', async () => {
    const queue = newQueueName();
    let calls = 0;
    const pay = () => (
      calls++,
      concat(
        of(1),
        throwError(() => new RpcException('sold out')),
      )
    );
    await startApp(moduleOf(requests({ pay }, { retry })), { queue });
    expect(await told(startClient({ queue }).send('pay', 1))).toMatchObject([
      { kind: 'N', value: 1 },
      { kind: 'E', error: { message: 'sold out' } },
    ]);
    expect(calls).toBe(1);
  });

  it('is answered at once when the next attempt would come too late', async () => {
    const queue = newQueueName();
    const { handler } = failing(9, () => new RpcException('sold out'));
    const late = { retry: { attempts: 3, backoff: 60_000 } };
    await startApp(moduleOf(requests({ pay: handler }, late)), { queue });
    const outcome = rejection(lastValueFrom(startClient({ queue, timeout: 5_000 }).send('pay', 1)));
    expect(await outcome).toMatchObject({ message: 'sold out' });
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
    'retry.backoff must be a number of milliseconds or { type, delay, max, jitter }',
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
