import { ElkMqRecordBuilder, EventQueue, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { isKnown, keyed, waitersOf } from '../support/deduplication.js';
import { eventsOf } from '../support/entries.js';
import { moduleOf, requests, startApp, startClient, told, unsettled, valuesOf } from '../support/nest.js';
import { newQueueName, redis, rejection, until, url } from '../support/queue.js';

describe('a deduplicated request that nobody has taken in time', () => {
  it('ends for those who still wait, and its key is free again', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const brief = new ElkMqRecordBuilder(1).setDeduplicationKey('key').setTimeout(3_000).build();
    const first = rejection(lastValueFrom(client.send('ask', brief)));
    await until(async () => (await waitersOf(queue)) === 1);
    const other = rejection(lastValueFrom(startClient({ queue }).send('ask', keyed(2))));
    expect(await first).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    await until(async () => (await waitersOf(queue)) === 1);
    expect(await unsettled(queue)).toBe(1);
    // The request was stored later than its caller began to wait.
    const [entry] = await eventsOf(queue);
    const storedAt = Number(entry?.id.split('-')[0]);
    await until(async () => Number((await redis.time())[0]) * 1_000 > storedAt + 3_000);

    await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
    expect(await other).toMatchObject({
      code: 'TIMEOUT_EXPIRED',
      message: "'ask' was not answered within its timeout",
    });
    expect(await lastValueFrom(client.send('ask', keyed(3)))).toBe(3);
    expect(await unsettled(queue)).toBe(0);
  });
});

describe('values that nobody waits for any more are no answer: when', () => {
  /** Handlers that answer by an Observable, when they are told to. */
  async function startSlow(queue: string) {
    const runs: Subject<string>[] = [];
    const ask = () => {
      const values = new Subject<string>();
      runs.push(values);
      return values;
    };
    await startApp(moduleOf(requests({ ask })), { queue });
    const answer = (run: number, value: string) => {
      runs[run]?.next(value);
      runs[run]?.complete();
    };
    return { runs, answer };
  }

  const brief = new ElkMqRecordBuilder(1).setDeduplicationKey('key').setTimeout(3_000).build();

  it.each([
    ['its caller has given up', false],
    ['its time is over', true],
    ['its caller has given up, after a part of the answer', false],
  ])('%s, the key is free again', async (what, isTimeout) => {
    const queue = newQueueName();
    const { runs, answer } = await startSlow(queue);
    const client = startClient({ queue });
    const seen: unknown[] = [];
    const call = client.send('ask', isTimeout ? brief : keyed(1)).subscribe({
      next: (value) => seen.push(value),
      error: () => undefined,
    });
    await until(() => runs.length === 1);
    if (what.includes('part')) {
      runs[0]?.next('part');
      await until(() => seen.length === 1);
    }
    if (!isTimeout) call.unsubscribe();
    await until(async () => !(await isKnown(queue)));
    const next = valuesOf(client.send('ask', keyed(2)));
    await until(() => runs.length === 2);
    answer(1, 'done');
    expect(await next).toEqual(['done']);
    expect(await unsettled(queue)).toBe(0);
  });

  it('somebody has joined who waits for longer, that one is told so', async () => {
    const queue = newQueueName();
    const { runs } = await startSlow(queue);
    const first = told(startClient({ queue }).send('ask', brief));
    await until(() => runs.length === 1);
    const other = told(startClient({ queue }).send('ask', keyed(2)));
    for (const outcome of await Promise.all([first, other])) {
      expect(outcome).toMatchObject([{ kind: 'E', error: { code: 'TIMEOUT_EXPIRED' } }]);
    }
    await until(async () => !(await isKnown(queue)));
  });

  it('its caller has given up, but another one has joined since, that one gets them', async () => {
    const queue = newQueueName();
    const { runs, answer } = await startSlow(queue);
    const client = startClient({ queue });
    const call = client.send('ask', keyed(1)).subscribe();
    await until(() => runs.length === 1);
    call.unsubscribe();
    await until(async () => (await redis.zcard(`${queue}(cancelled)`)) === 1);
    const other = valuesOf(client.send('ask', keyed(2)));
    // The worker has looked.
    await until(async () => (await redis.zcard(`${queue}(cancelled)`)) === 0);
    answer(0, 'done');
    expect(await other).toEqual(['done']);
    expect(runs).toHaveLength(1);
  });

  it('its handler ends by an error because of that, nobody else gets the error', async () => {
    const queue = newQueueName();
    let calls = 0;
    const ask = (data: unknown, { signal }: ElkMqContext) => {
      if (++calls > 1) return data;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    };
    await startApp(moduleOf(requests({ ask })), { queue });
    const client = startClient({ queue });
    const call = client.send('ask', keyed(1)).subscribe();
    await until(() => calls === 1);
    call.unsubscribe();
    await until(async () => !(await isKnown(queue)));
    expect(await lastValueFrom(client.send('ask', keyed(2)))).toBe(2);
  });

  it('who has taken it is gone, and its window is over, the key is free again', async () => {
    const queue = newQueueName();
    const taker = new EventQueue(queue, url);
    const client = startClient({ queue });
    const once = new ElkMqRecordBuilder(1).setDeduplicationKey('key', 500).setTimeout(3_000).build();
    const first = rejection(lastValueFrom(client.send('ask', once)));
    await taker.dequeueBlocking(10);
    await taker.close();
    expect(await first).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    await until(async () => !(await isKnown(queue)));
  });
});
