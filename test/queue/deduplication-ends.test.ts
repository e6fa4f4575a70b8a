import { ElkMqRecordBuilder, QueueAdmin, ServiceEvent, type ElkMqContext } from 'nestjs-elkmq';
import { concat, firstValueFrom, lastValueFrom, NEVER, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { isKnown, keyed, recordOf, twoWaiting, waitersOf } from '../support/deduplication.js';
import { eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { told, unsettled, valuesOf } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';

describe('all who wait for a deduplicated request are told, and those who ask later', () => {
  it('that the handler has rejected it', async () => {
    const queue = newQueueName();
    const ask = (_data: unknown, context: ElkMqContext) => {
      context.deadLetter('not today');
    };
    const { clients, answers } = await twoWaiting(queue);
    await startApp(moduleOf(requests({ ask })), { queue });
    answers.push(told(clients[0].send('ask', keyed(3))));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject([{ kind: 'E', error: { code: 'REJECTED', message: 'not today' } }]);
    }
    await until(async () => (await unsettled(queue)) === 0);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'rejected' }]);
  });

  it.each([
    ['once', 'abandoned'],
    ['at-least-once', 'exhausted'],
  ] as const)('that its worker has gone (%s)', async (delivery, reason) => {
    const queue = newQueueName();
    const { clients, answers } = await twoWaiting(queue);
    let calls = 0;
    const ask = () => (calls++, NEVER);
    const options = { queue, delivery, maxDeliveries: 1, drainTimeout: 1 };
    const app = await startApp(moduleOf(requests({ ask })), options);
    await until(() => calls === 1);
    await app.close();
    answers.push(told(clients[1].send('ask', keyed(3))));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject([{ kind: 'E', error: { code: 'ABANDONED' } }]);
    }
    expect(calls).toBe(1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason }]);
    expect(await unsettled(queue)).toBe(0);
  });

  it('that its worker has gone, after the value that it had answered', async () => {
    const queue = newQueueName();
    const { clients, answers } = await twoWaiting(queue);
    const options = { queue, delivery: 'at-least-once', drainTimeout: 1 } as const;
    const app = await startApp(moduleOf(requests({ ask: () => concat(of('a'), NEVER) })), options);
    await until(async () => (await recordOf(queue))['count'] === '1');
    // This count would tell other workers of the answer, had this one died: see docs/protocol.md.
    const [[, , , deliveries]] = (await redis.xpending(`${queue}(event_stream)`, 'elkmq', '-', '+', 1)) as [
      number[],
    ];
    expect(deliveries).toBe(3);
    await app.close();
    answers.push(told(clients[0].send('ask', keyed(3))));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject([{ value: 'a' }, { kind: 'E', error: { code: 'ABANDONED' } }]);
    }
  });

  it('what a later attempt answers', async () => {
    const queue = newQueueName();
    const { clients, answers } = await twoWaiting(queue);
    let calls = 0;
    const ask = (data: unknown, context: ElkMqContext) => {
      if (++calls === 1) throw new Error('once more');
      if (calls === 2) context.retry(1);
      else return `${String(data)}, attempt ${String(context.getAttempt())}`;
      return undefined;
    };
    const retry = { attempts: 3, backoff: 1 };
    await startApp(moduleOf(requests({ ask }, { retry })), { queue });
    await until(() => calls === 3);
    answers.push(told(clients[0].send('ask', keyed(3))));
    for (const answer of await Promise.all(answers))
      expect(answer).toMatchObject([{ value: '1, attempt 3' }, {}]);
    expect(calls).toBe(3);
  });

  it('what another worker answers, when the first one stops', async () => {
    const queue = newQueueName();
    const { answers } = await twoWaiting(queue);
    let calls = 0;
    const first = await startApp(moduleOf(requests({ ask: () => (calls++, NEVER) })), {
      queue,
      delivery: 'at-least-once',
      drainTimeout: 1,
    });
    await until(() => calls === 1);
    await first.close();
    await startApp(moduleOf(requests({ ask: () => 'handled' })), { queue });
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject([{ value: 'handled' }, {}]);
  });
});

describe('who takes a deduplicated request out of an EventQueue', () => {
  it('answers all who wait for it, and those who ask later', async () => {
    const queue = newQueueName();
    const { clients, answers } = await twoWaiting(queue);
    const consumer = newQueue(queue);
    const [, request] = await consumer.dequeue();
    const before = Date.now();
    const timestamp = await consumer.enqueueResponse(ServiceEvent.responseTo(request, 'answer', '"done"'));
    // The clock of Redis need not be that of this process.
    expect(timestamp).toBeGreaterThan(before - 1_000);
    expect(timestamp).toBeLessThan(Date.now() + 1_000);
    answers.push(told(clients[0].send('ask', keyed(3))));
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject([{ value: 'done' }, {}]);
    expect(await unsettled(queue)).toBe(0);
  });
});

describe('a caller of a deduplicated request who gives up', () => {
  it('takes it back, when nobody else waits, and the next one is a new one', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const call = client.send('ask', keyed(1)).subscribe();
    await until(async () => (await waitersOf(queue)) === 1);
    call.unsubscribe();
    await until(async () => (await unsettled(queue)) === 0);
    expect(await isKnown(queue)).toBe(false);
    await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
    expect(await lastValueFrom(client.send('ask', keyed(2)))).toBe(2);
  });

  it.each([0, 1])('leaves it to the other one who waits (number %d goes)', async (leaving) => {
    const queue = newQueueName();
    const { clients, answers } = await twoWaiting(queue);
    await clients[leaving]?.close();
    expect(await waitersOf(queue)).toBe(1);
    await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
    expect(await answers[1 - leaving]).toMatchObject([{ value: 1 }, { kind: 'C' }]);
  });

  it('takes it back together with all others, also when it is delayed', async () => {
    const queue = newQueueName();
    const clients = [startClient({ queue }), startClient({ queue })];
    const later = new ElkMqRecordBuilder(1).setDeduplicationKey('key').setDelay(60_000).build();
    const calls = clients.map((client) => client.send('ask', later).subscribe());
    await until(async () => (await waitersOf(queue)) === 2);
    calls[1]?.unsubscribe();
    await until(async () => (await waitersOf(queue)) === 1);
    expect(await redis.zcard(`${queue}(delayed)`)).toBe(1);
    calls[0]?.unsubscribe();
    await until(async () => !(await isKnown(queue)));
    expect(await redis.zcard(`${queue}(delayed)`)).toBe(0);
  });

  it('leaves the answer to those who ask later, when it is being handled', async () => {
    const queue = newQueueName();
    let finish: (value: string) => void = () => undefined;
    let calls = 0;
    const ask = () => (calls++, new Promise<string>((resolve) => (finish = resolve)));
    await startApp(moduleOf(requests({ ask })), { queue });
    const client = startClient({ queue });
    const call = client.send('ask', keyed(1)).subscribe();
    await until(() => calls === 1);
    call.unsubscribe();
    await until(async () => (await waitersOf(queue)) === 0);
    finish('done');
    expect(await firstValueFrom(client.send('ask', keyed(2)))).toBe('done');
    expect(calls).toBe(1);
  });
});

describe('the last caller who gives up a deduplicated request takes it back', () => {
  function request(orderingKey: string, data: unknown = 1) {
    const builder = new ElkMqRecordBuilder(data).setDeduplicationKey('key');
    if (orderingKey !== '') builder.setOrderingKey(orderingKey);
    return builder.build();
  }
  const event = (data: unknown) => new ElkMqRecordBuilder(data).setOrderingKey('k').build();

  /** The first caller asks with the ordering key `k`, the second one with another. Both give up, in this order. */
  async function askAndLeave(queue: string, otherKey: string): Promise<void> {
    const client = startClient({ queue });
    const first = client.send('ask', request('k')).subscribe();
    await until(async () => (await waitersOf(queue)) === 1);
    const other = client.send('ask', request(otherKey)).subscribe();
    await until(async () => (await waitersOf(queue)) === 2);
    first.unsubscribe();
    await until(async () => (await waitersOf(queue)) === 1);
    other.unsubscribe();
    await until(async () => (await waitersOf(queue)) === 0);
  }

  it.each(['k', 'other', ''])(
    "out of the request's own ordering key, whatever his own is ('%s')",
    async (otherKey) => {
      const queue = newQueueName();
      await askAndLeave(queue, otherKey);
      expect(await isKnown(queue)).toBe(false);
      expect(await eventsOf(queue)).toEqual([]);
      expect(await redis.exists(`${queue}(lanes)`)).toBe(0);
    },
  );

  it.each(['k', 'other', ''])("when it waits behind others, too ('%s')", async (otherKey) => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await told(client.emit('step', event('before')));
    await askAndLeave(queue, otherKey);
    expect(await isKnown(queue)).toBe(false);
    const seen: unknown[] = [];
    const answer = lastValueFrom(client.send('ask', request('k', 'asked again')));
    await until(async () => (await waitersOf(queue)) === 1);
    const ask = (data: unknown) => (seen.push(data), data);
    const step = events({ step: (data) => seen.push(data) });
    await startApp(moduleOf(requests({ ask }), step), { queue });
    expect(await answer).toBe('asked again');
    expect(seen).toEqual(['before', 'asked again']);
  });

  it('when its record is of an earlier version, which does not know its ordering key', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const call = client.send('ask', request('k')).subscribe();
    await until(async () => (await waitersOf(queue)) === 1);
    await redis.hdel(`${queue}(deduplication):request:key`, 'ordering_key', 'expires');
    call.unsubscribe();
    await until(async () => !(await isKnown(queue)));
    expect(await eventsOf(queue)).toEqual([]);
    expect(await redis.exists(`${queue}(lanes)`)).toBe(0);
  });

  it('when it waits behind more messages than one call looks at', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const count = 1_100;
    await Promise.all(Array.from({ length: count }, () => told(client.emit('step', event('before')))));
    await askAndLeave(queue, 'k');
    expect(await isKnown(queue)).toBe(false);
    const answer = lastValueFrom(client.send('ask', request('k', 'asked again')));
    await until(async () => (await waitersOf(queue)) === 1);
    const asked: unknown[] = [];
    const ask = (data: unknown) => (asked.push(data), data);
    await startApp(moduleOf(requests({ ask }), events({ step: () => undefined })), { queue });
    expect(await answer).toBe('asked again');
    expect(asked).toEqual(['asked again']);
  });

  it('from a worker by the same call, so that nobody can join in between', async () => {
    const queue = newQueueName();
    const taken: unknown[] = [];
    await startApp(moduleOf(requests({ ask: (data: unknown) => (taken.push(data), NEVER) })), {
      queue,
      drainTimeout: 1,
    });
    startClient({ queue })
      .send('ask', keyed(1))
      .subscribe({ error: () => undefined });
    await until(() => taken.length === 1);
    const { origin = '', expires, waiters: waiter = '' } = await recordOf(queue);
    const keys = new QueueKeys(queue, false);
    // The time of this caller is over. That of the request is not.
    const args = { group: GROUP, origin, orderingKey: '', deadline: 1, waiter };
    const call = scripts.leaveRequest(
      Object.assign({ record: keys.deduplication('request', 'key') }, keys),
      args,
    );
    // Both commands come together: the worker looks for marks, and takes them.
    const answers = await redis
      .multi()
      .eval(call.script.source, call.keys.length, ...call.keys, ...call.args.map(String))
      .zscore(keys.cancelled, origin)
      .exec();
    expect(answers).toEqual([
      [null, 0],
      [null, expires],
    ]);
  });
});

describe('the record of a deduplication key', () => {
  it('does not lead to a key that is no inbox', async () => {
    const queue = newQueueName();
    const { answers } = await twoWaiting(queue);
    const { waiters = '' } = await recordOf(queue);
    const foreign = `x):y 1 ${waiters} ../z 2 good not-a-number`;
    await redis.hset(`${queue}(deduplication):request:key`, 'waiters', foreign);
    for (const name of ['x):y', '../z', 'good']) await redis.xadd(`${queue}(inbox):${name}`, '*', 'a', 'b');
    await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject([{ value: 1 }, {}]);
    for (const name of ['x):y', '../z', 'good']) expect(await redis.xlen(`${queue}(inbox):${name}`)).toBe(1);
  });

  it('may be gone: who has sent the request gets its answer', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const asked = lastValueFrom(client.send('ask', keyed(1)));
    await until(() => isKnown(queue));
    await redis.del(`${queue}(deduplication):request:key`);
    await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
    expect(await asked).toBe(1);
    expect(await isKnown(queue)).toBe(false);
  });

  it('does not belong to a dead letter that is retried', async () => {
    const queue = newQueueName();
    const { clients } = await twoWaiting(queue);
    const ask = (_data: unknown, context: ElkMqContext) => {
      context.deadLetter('no');
    };
    const app = await startApp(moduleOf(requests({ ask })), { queue });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    await app.close();
    const { deadLetters } = newQueue(queue);
    expect(await deadLetters.retry({})).toBe(1);
    expect((await eventsOf(queue))[0]?.fields).not.toContain('deduplication');
    const seen: unknown[] = [];
    await startApp(moduleOf(events({ ask: (data) => seen.push(data) })), { queue });
    await until(() => seen.length === 1);
    expect(await rejection(valuesOf(clients[0].send('ask', keyed(3))))).toMatchObject({ code: 'REJECTED' });
  });

  it.each(['waiting', 'delayed', 'ordered'] as const)(
    'is gone with a request that somebody removes while it is %s, and the next one is a new one',
    async (state) => {
      const queue = newQueueName();
      const client = startClient({ queue });
      const ordered = (data: unknown) => new ElkMqRecordBuilder(data).setOrderingKey('k');
      if (state === 'ordered') await told(client.emit('step', ordered('before').build()));
      const request = state === 'ordered' ? ordered(1) : new ElkMqRecordBuilder(1);
      if (state === 'delayed') request.setDelay(60_000);
      client.send('ask', request.setDeduplicationKey('key').build()).subscribe({ error: () => undefined });
      await until(async () => (await waitersOf(queue)) === 1);
      const admin = closing(new QueueAdmin(queue, url));
      const { messages } = await admin.messages(state);
      expect(await admin.remove(messages.map(({ id }) => id))).toBe(1);
      expect(await isKnown(queue)).toBe(false);
      await startApp(moduleOf(requests({ ask: (data: unknown) => data })), { queue });
      expect(await lastValueFrom(client.send('ask', keyed(2)))).toBe(2);
    },
  );

  it("is gone with a request that is purged, and stays when it is another request's by now", async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const other = new QueueKeys(queue, false).deduplication('request', 'other');
    for (const key of ['key', 'other']) {
      client.send('ask', keyed(1, key)).subscribe({ error: () => undefined });
      await until(async () => (await waitersOf(queue, key)) === 1);
    }
    await redis.hset(other, 'origin', '5-1');
    expect(await closing(new QueueAdmin(queue, url)).purge('waiting')).toBe(2);
    expect(await isKnown(queue)).toBe(false);
    expect(await isKnown(queue, 'other')).toBe(true);
  });
});
