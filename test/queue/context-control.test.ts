import { RpcException } from '@nestjs/microservices';
import { type ElkMqContext } from 'nestjs-elkmq';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { concat, firstValueFrom, lastValueFrom, NEVER, of, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, told, unsettled } from '../support/nest.js';
import { newQueueName, redis, rejection, until } from '../support/queue.js';

async function isSettled(queue: string): Promise<boolean> {
  return (await unsettled(queue)) === 0 && (await redis.zcard(`${queue}(delayed)`)) === 0;
}

function errorOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('context.retry', () => {
  it.each([
    ['answers', () => 'done'],
    [
      'throws',
      () => {
        throw new RpcException('not yet');
      },
    ],
  ])('puts an event off, though its handler %s then', async (_what, then) => {
    const queue = newQueueName();
    const calls: { at: number; attempt: number }[] = [];
    const note = (_data: unknown, context: ElkMqContext): unknown => {
      calls.push({ at: Date.now(), attempt: context.getAttempt() });
      if (calls.length > 2) return undefined;
      context.retry(150);
      return then();
    };
    await startApp(moduleOf(events({ note })), { queue });
    startClient({ queue }).emit('note', 1);
    await until(() => calls.length === 3);
    await until(() => isSettled(queue));
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    for (const [index, { at }] of calls.slice(1).entries()) {
      expect(at - (calls[index]?.at ?? 0)).toBeGreaterThanOrEqual(150);
    }
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('puts a request off; its requester gets the answer of a later attempt only', async () => {
    const queue = newQueueName();
    const ask = (_data: unknown, context: ElkMqContext): unknown => {
      if (context.getAttempt() === 1) context.retry(20);
      return context.getAttempt();
    };
    await startApp(moduleOf(requests({ ask })), { queue });
    expect(await told(startClient({ queue }).send('ask', 1))).toMatchObject([
      { kind: 'N', value: 2 },
      { kind: 'C' },
    ]);
    expect(await isSettled(queue)).toBe(true);
  });

  it('waits as the policy of its handler says when it is not told how long', async () => {
    const queue = newQueueName();
    const calls: number[] = [];
    const note = (_data: unknown, context: ElkMqContext): void => {
      calls.push(Date.now());
      if (calls.length === 1) context.retry();
    };
    await startApp(moduleOf(events({ note }, { retry: { attempts: 1, backoff: 100 } })), { queue });
    const client = startClient({ queue });
    // A busy machine may need several tries to be on time.
    await until(async () => {
      calls.length = 0;
      client.emit('note', 1);
      await until(() => calls.length === 2);
      const [first, second] = calls as [number, number];
      expect(second - first).toBeGreaterThanOrEqual(100);
      return second - first < 1_000;
    });
  });

  it('is refused after an answer, a second time, and with a wrong delay', async () => {
    const queue = newQueueName();
    const errors: unknown[] = [];
    let streaming: ElkMqContext | undefined;
    const stream = (_data: unknown, context: ElkMqContext) => {
      streaming = context;
      return concat(of(1), NEVER);
    };
    const note = (_data: unknown, context: ElkMqContext) => {
      errors.push(errorOf(() => context.retry(-1)));
      context.deadLetter('enough');
      errors.push(errorOf(() => context.retry(1)));
    };
    await startApp(moduleOf(requests({ stream }), events({ note })), { queue, drainTimeout: 10 });
    expect(await firstValueFrom(startClient({ queue }).send('stream', 1))).toBe(1);
    errors.push(errorOf(() => streaming?.retry(1)));
    startClient({ queue }).emit('note', 1);
    await until(() => errors.length === 3);
    expect(errors).toMatchObject([
      { code: 'ATTEMPT_ENDED', message: 'this attempt has answered already' },
      { code: 'INVALID_OPTION' },
      { code: 'ATTEMPT_ENDED', message: 'this attempt has ended already' },
    ]);
  });
});

describe('context.deadLetter', () => {
  it('moves an event to the dead letters with the reason, though its handler answers then', async () => {
    const queue = newQueueName();
    const note = (_data: unknown, context: ElkMqContext) => {
      context.deadLetter('no such customer');
      return 'done';
    };
    await startApp(moduleOf(events({ note })), { queue, retry: { attempts: 3, backoff: 10 } });
    startClient({ queue }).emit('note', 1);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([
      { reason: 'rejected', attempts: 1, error: { name: 'RejectedError', message: 'no such customer' } },
    ]);
    await until(() => isSettled(queue));
  });

  it('moves a request there, and its requester is told', async () => {
    const queue = newQueueName();
    const ask = (_data: unknown, context: ElkMqContext) => {
      context.deadLetter('no such customer');
      return 'done';
    };
    await startApp(moduleOf(requests({ ask })), { queue });
    const outcome = await told(startClient({ queue }).send('ask', 1));
    expect(outcome).toMatchObject([
      { kind: 'E', error: { name: 'RejectedError', code: 'REJECTED', message: 'no such customer' } },
    ]);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'rejected' }]);
    expect(await isSettled(queue)).toBe(true);
  });
});

describe('context.signal fires', () => {
  /** A handler that ends when its signal fires, and the reason it fired for. */
  function waiting() {
    const reasons: unknown[] = [];
    const taken: ElkMqContext[] = [];
    const wait = async (_data: unknown, context: ElkMqContext): Promise<void> => {
      const { signal } = context;
      taken.push(context);
      if (!signal.aborted) await once(signal, 'abort');
      reasons.push(signal.reason);
    };
    return { reasons, taken, wait };
  }

  it('at the deadline of a request', async () => {
    const queue = newQueueName();
    const { reasons, taken, wait } = waiting();
    // On a busy machine an answer that is given at the deadline may reach the caller before its own timer.
    const caller = new Subject<void>();
    const waitForCaller = async (data: unknown, context: ElkMqContext): Promise<void> => {
      const hasGivenUp = firstValueFrom(caller);
      await wait(data, context);
      await hasGivenUp;
    };
    await startApp(moduleOf(requests({ wait: waitForCaller })), { queue });
    const client = startClient({ queue, timeout: 1_000 });
    // On a busy machine the time of one may be over before it is started.
    await until(async () => {
      expect(await rejection(lastValueFrom(client.send('wait', 1)))).toMatchObject({
        code: 'TIMEOUT_EXPIRED',
      });
      return taken.length === 1;
    });
    await until(() => reasons.length === 1);
    caller.next();
    expect(reasons).toMatchObject([{ code: 'TIMEOUT_EXPIRED' }]);
  });

  it('when the worker stops and has waited for drainTimeout', async () => {
    const queue = newQueueName();
    const { reasons, taken, wait } = waiting();
    const app = await startApp(moduleOf(events({ wait })), { queue, drainTimeout: 50 });
    startClient({ queue }).emit('wait', 1);
    await until(() => taken.length === 1);
    await app.close();
    await until(() => reasons.length === 1);
    expect(reasons).toMatchObject([
      { code: 'ABANDONED', message: expect.stringContaining('50 ms') as unknown },
    ]);
  });

  it('when the lease was lost', async () => {
    const queue = newQueueName();
    const { reasons, taken, wait } = waiting();
    await startApp(moduleOf(events({ wait })), { queue, lease: 300 });
    startClient({ queue }).emit('wait', 1);
    await until(() => taken.length === 1);
    const stream = `${queue}(event_stream)`;
    const [[id]] = (await redis.xpending(stream, 'elkmq', '-', '+', 1)) as [[string]];
    await redis.xclaim(stream, 'elkmq', 'another.1.30000', 0, id, 'JUSTID');
    await until(() => reasons.length === 1);
    expect(reasons).toMatchObject([{ code: 'ABANDONED' }]);
  });

  it('not at once when the deadline is further away than a timer can wait', async () => {
    const queue = newQueueName();
    const seen: boolean[] = [];
    const look = async (_data: unknown, { signal }: ElkMqContext): Promise<void> => {
      // A timer that cannot wait so long would fire after a millisecond, and so before this one.
      await sleep(20);
      seen.push(signal.aborted);
    };
    await startApp(moduleOf(requests({ look })), { queue });
    const event = '{"request_uuid":7,"timeout":60,"action":"look","payload":null}';
    await redis.xadd(
      `${queue}(event_stream)`,
      '*',
      'event',
      event,
      'reply_to',
      'nobody',
      'due',
      '9'.repeat(15),
    );
    await until(() => seen.length === 1);
    expect(seen).toEqual([false]);
  });

  it('and is one and the same; it does not fire after the end', async () => {
    const queue = newQueueName();
    const signals: AbortSignal[] = [];
    const ask = (_data: unknown, context: ElkMqContext): number =>
      signals.push(context.signal, context.signal);
    const app = await startApp(moduleOf(requests({ ask })), { queue });
    expect(await lastValueFrom(startClient({ queue }).send('ask', 1))).toBe(2);
    await app.close();
    expect(signals[0]).toBe(signals[1]);
    expect(signals[0]?.aborted).toBe(false);
  });
});
