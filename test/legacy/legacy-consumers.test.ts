import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, of } from 'rxjs';
import { ElkMqRecordBuilder, ServiceEvent, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, redis, rejection, until, url } from '../support/queue.js';
import {
  dequeueAsTheOriginal,
  emitted,
  eventJson,
  expectNothingLeft,
  listOf,
  newClient,
  pendingIn,
  respondAsTheOriginal,
  startTaker,
} from '../support/original.js';

describe('an original consumer', () => {
  it('takes what a Nest client emits, as its own format', async () => {
    const queue = newQueueName();
    await emitted(newClient(queue), { id: 'é "1"' });
    const taken = await dequeueAsTheOriginal(queue);
    expect(taken).toMatchObject({ action: 'note', payload: '{"id":"é \\"1\\""}' });
    expect(taken?.timeout).toBeGreaterThan(0);
    expect(await dequeueAsTheOriginal(queue)).toBeUndefined();
  });

  it('takes and answers what an EventQueue and a Nest client ask', async () => {
    const queue = newQueueName();
    const asker = newQueue(queue, url, { legacyConsumers: true });
    const answers = [
      asker.awaitResponse(new ServiceEvent(10, 'one')).then(([, { payload }]) => payload),
      lastValueFrom(newClient(queue).send('two', [2])),
    ];
    for (let count = 0; count < 2;) {
      const taken = await dequeueAsTheOriginal(queue);
      if (!taken) continue;
      await respondAsTheOriginal(queue, taken.text, `{"to":"${taken.action}"}`);
      count++;
    }
    expect(await Promise.all(answers)).toEqual(['{"to":"one"}', { to: 'two' }]);
  });

  it('answers with the time of the response, not with that of the entry in the index', async () => {
    const queue = newQueueName();
    const asker = newQueue(queue, url, { legacyConsumers: true });
    const answer = asker.awaitResponse(new ServiceEvent(10, 'ask'));
    await until(async () => (await listOf(queue)).length === 1);
    const { text } = (await dequeueAsTheOriginal(queue)) ?? { text: '' };
    const inAnHour = Date.now() + 3_600_000;
    await respondAsTheOriginal(queue, text, 'yes', `${String(inAnHour)}-0`);
    expect((await answer)[0]).toBe(inAnHour);
  });

  it('never finds an id without its entry: a request that nobody waits for leaves list and stream', async () => {
    const queue = newQueueName();
    const request = newClient(queue).send('ask', {}).subscribe();
    await until(async () => (await listOf(queue)).length === 1);
    request.unsubscribe();
    await until(async () => (await listOf(queue)).length === 0);
    expect(await eventsOf(queue)).toEqual([]);
  });

  it('keeps a request that it has taken when its requester gives up', async () => {
    const queue = newQueueName();
    const client = newClient(queue);
    const subscription = client.send('ask', {}).subscribe();
    await until(async () => (await listOf(queue)).length === 1);
    const id = String(await redis.rpop(`${queue}(message_queue)`));
    subscription.unsubscribe();
    await client.close();
    expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
  });
});

describe('with legacyConsumers on both sides', () => {
  it('each event of Nest and of original producers is taken once, by a Nest worker or an original consumer', async () => {
    const queue = newQueueName();
    const client = newClient(queue);
    const taken = await startTaker(queue);
    const others: unknown[] = [];
    const over = new AbortController();
    const consumer = (async () => {
      while (!over.signal.aborted) {
        const event = await dequeueAsTheOriginal(queue);
        if (event) others.push(JSON.parse(event.payload ?? ''));
      }
    })();
    const ids = Array.from({ length: 400 }, (_, id) => id);
    await Promise.all(
      ids.map((id) =>
        id % 2 ? emitted(client, id) : enqueueAsTheOriginal(queue, eventJson('note', String(id))),
      ),
    );
    await until(() => taken.length + others.length >= ids.length);
    over.abort();
    await consumer;
    expect([...taken, ...others].map(Number).sort((a, b) => a - b)).toEqual(ids);
    expect(taken.length).toBeGreaterThan(0);
    expect(await listOf(queue)).toEqual([]);
    await until(async () => (await pendingIn(queue)) === 0);
  });

  it('an event whose original producer is slow to push its id is handled once it has', async () => {
    const queue = newQueueName();
    const taken = await startTaker(queue);
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', eventJson('note', '1')));
    // It has been looked for, and passed over.
    await until(async () => (await redis.zscore(`${queue}(leftovers)`, id)) !== null);
    expect([taken, await pendingIn(queue)]).toEqual([[], 0]);
    await redis.lpush(`${queue}(message_queue)`, id);
    await until(() => taken.length === 1);
    await until(async () => (await pendingIn(queue)) === 0);
    expect([taken, await listOf(queue)]).toEqual([[1], []]);
  });

  it('a worker that starts events in another order than they came keeps all of them', async () => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    const lease = 300;
    const signals: AbortSignal[] = [];
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const note = (_data: unknown, { signal }: ElkMqContext) => (signals.push(signal), ended);
    await startApp(moduleOf(events({ note })), { queue, legacyConsumers: true, lease });
    // Nobody competes for the second one, so it is started first.
    const now = Date.now();
    const both = redis.multi().xadd(stream, `${now}-1`, 'event', eventJson('note', '1'));
    both.lpush(`${queue}(message_queue)`, `${now}-1`);
    both.xadd(
      stream,
      `${now}-2`,
      'event',
      eventJson('note', '2'),
      'reply_to',
      '',
      'origin',
      '1-1',
      'attempt',
      '2',
    );
    await both.exec();
    await until(() => signals.length === 2);
    // That nothing takes them away can only be shown by waiting.
    await sleep(2 * lease);
    const idle = async () =>
      ((await redis.xpending(stream, 'elkmq', '-', '+', 9)) as [string, string, number][]).map(
        ([, , ms]) => ms,
      );
    await until(async () => Math.max(...(await idle())) < lease);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    end?.();
  });

  it('what an original consumer has popped stays until its time has passed, and is gone then', async () => {
    const queue = newQueueName();
    await startTaker(queue);
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', eventJson('note', '1', 2)));
    await until(async () => (await redis.zscore(`${queue}(leftovers)`, id)) !== null);
    const clock = async () => Number((await redis.time())[0]) * 1_000;
    while ((await clock()) < Number.parseInt(id, 10) + 1_000)
      expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
    await expectNothingLeft(queue);
    expect(await clock()).toBeGreaterThanOrEqual(Number.parseInt(id, 10) + 2_000);
  });

  it('an event that fails is tried again by Nest workers, and ends among the dead letters', async () => {
    const queue = newQueueName();
    let attempts = 0;
    const failing = () => {
      attempts++;
      throw new Error('no');
    };
    const retry = { attempts: 2, backoff: { type: 'fixed' as const, delay: 10 } };
    await startApp(moduleOf(events({ note: failing })), { queue, legacyConsumers: true, retry });
    await emitted(newClient(queue), 1);
    await enqueueAsTheOriginal(queue, eventJson('note', '2'));
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect(attempts).toBe(4);
    expect([await listOf(queue), await eventsOf(queue)]).toEqual([[], []]);
  });

  it('a delayed event and a deduplicated request are for Nest workers alone', async () => {
    const queue = newQueueName();
    const handlers = moduleOf(requests({ ask: (data: unknown) => of(data) }));
    const client = newClient(queue);
    const record = new ElkMqRecordBuilder(7).setDeduplicationKey('k', 1_000).build();
    const answer = lastValueFrom(client.send('ask', record));
    await until(async () => (await eventsOf(queue)).length === 1);
    expect(await dequeueAsTheOriginal(queue)).toBeUndefined();
    await startApp(handlers, { queue, legacyConsumers: true });
    expect(await answer).toBe(7);
  });

  it('an EventQueue takes only what is still in the list', async () => {
    const queue = newQueueName();
    const taker = newQueue(queue, url, { legacyConsumers: true });
    await taker.enqueue(new ServiceEvent(60, 'one'));
    await taker.enqueue(new ServiceEvent(60, 'two'));
    await enqueueAsTheOriginal(queue, eventJson('three'));
    expect((await dequeueAsTheOriginal(queue))?.action).toBe('one');
    expect((await taker.dequeue())[1].action).toBe('two');
    expect((await taker.dequeueBlocking(5))[1].action).toBe('three');
    expect(await rejection(taker.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    expect(await listOf(queue)).toEqual([]);
  });
});

it('a client that waits for original consumers sends Redis next to nothing', async () => {
  const server = await ownRedis();
  const inspector = clientOf(server);
  const queue = newQueueName();
  const client = startClient({ queue, url: server.url, legacyConsumers: true });
  const request = client.send('ask', {}).subscribe({ error: () => undefined });
  await until(async () => (await inspector.llen(`${queue}(message_queue)`)) === 1);
  const commands = async () => {
    const stats = await inspector.info('commandstats');
    return [...stats.matchAll(/^cmdstat_(?!info)\S+:calls=(\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  const start = performance.now();
  const before = await commands();
  // That nothing is sent can only be shown by waiting. On a busy machine it takes longer.
  await sleep(2_000);
  const sent = (await commands()) - before;
  expect(sent).toBeLessThan(Math.ceil((performance.now() - start) / 1_000) * 5);
  request.unsubscribe();
});

it('legacyConsumers must be true or false', () => {
  const options = { queue: newQueueName(), legacyConsumers: 'yes' } as never;
  expect(() => startClient(options)).toThrow('legacyConsumers must be true or false, got "yes"');
});
