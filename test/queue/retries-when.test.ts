import { Catch, UseFilters, UseInterceptors, type CallHandler, type Type } from '@nestjs/common';
import { BaseRpcExceptionFilter, RpcException } from '@nestjs/microservices';
import { ElkMqErrorInterceptor, type ElkMqRetryOptions } from 'nestjs-elkmq';
import { concat, NEVER, of, race, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, logs, moduleOf, startApp } from '../support/nest.js';
import { newQueueName, until } from '../support/queue.js';
import { PaymentError, emitPay, failing, watched } from '../support/failing.js';

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
    await emitPay(queue);
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
    await emitPay(queue, 'rejects');
    await emitPay(queue, 'streams');
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect(calls).toBe(6);
  });

  it('with the interceptor on the controller alone', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(2);
    const controller = events({ pay: handler });
    UseInterceptors(ElkMqErrorInterceptor)(controller);
    await startApp(moduleOf(controller), { queue, retry });
    await emitPay(queue);
    await until(() => calls.length === 3);
  });

  it('and of an RpcException by what it says, without an interceptor', async () => {
    const queue = newQueueName();
    const { calls, handler } = failing(9, () => new RpcException({ retriable: true }));
    const retriable = (error: unknown) => (error as { retriable?: boolean }).retriable === true;
    const app = moduleOf(events({ pay: handler }));
    await startApp(app, { queue, retry: { attempts: 2, backoff: 10, when: retriable } });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls).toHaveLength(2);
  });

  it('where it cannot see it, the log says so', async () => {
    const queue = newQueueName();
    const { handler } = failing(9);
    await startApp(moduleOf(events({ pay: handler })), { queue, retry });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(logs).toContainEqual(
      expect.stringMatching(/warn .*retry\.when of 'pay' cannot see what was thrown/),
    );
  });

  it('where an interceptor around that of ElkMQ throws, the log says so', async () => {
    const queue = newQueueName();
    const controller = events({ pay: () => NEVER });
    UseInterceptors(
      {
        intercept: (_execution, next: CallHandler) =>
          race(
            next.handle(),
            throwError(() => new PaymentError(503)),
          ),
      },
      ElkMqErrorInterceptor,
    )(controller);
    const before = logs.length;
    await startApp(moduleOf(controller), { queue, retry });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(logs.slice(before)).toContainEqual(
      expect.stringMatching(
        /retry\.when of 'pay' cannot see what was thrown.* outside of ElkMqErrorInterceptor/,
      ),
    );
  });

  it('when it throws itself, the message is not tried again', async () => {
    const queue = newQueueName();
    const { handler } = failing(9);
    const throwing = () => {
      throw new Error('a bug in when');
    };
    await startApp(watched(events({ pay: handler })), { queue, retry: { attempts: 3, when: throwing } });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ error: { name: 'PaymentError' } }]);
  });
});
