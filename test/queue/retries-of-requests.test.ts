import { RpcException } from '@nestjs/microservices';
import { concat, lastValueFrom, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, moduleOf, requests, startApp, startClient, told } from '../support/nest.js';
import { newQueueName, rejection } from '../support/queue.js';
import { failing, isSettled } from '../support/failing.js';

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
