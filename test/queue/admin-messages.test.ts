import {
  ElkMqRecordBuilder,
  QueueAdmin,
  queues,
  type ElkMqContext,
  type QueueMessage,
  type SearchStep,
} from 'nestjs-elkmq';
import { describe, expect, inject, it } from 'vitest';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { told, startClient, valuesOf } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const HOUR = 3_600_000;

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

/** Stores events with the payloads, an hour ago, a millisecond apart. */
async function storeOld(
  queue: string,
  payloads: readonly unknown[],
  action = 'order.placed',
): Promise<string[]> {
  const ids: string[] = [];
  const start = Date.now() - HOUR;
  for (const [index, payload] of payloads.entries()) {
    const event = {
      request_uuid: index,
      timeout: 65_535,
      action,
      payload: JSON.stringify(payload),
    };
    const fields = [
      'event',
      JSON.stringify(event),
      'reply_to',
      '',
      'headers',
      `{"tenant":"t${String(index)}"}`,
    ];
    ids.push(String(await redis.xadd(`${queue}(event_stream)`, `${String(start + index)}-0`, ...fields)));
  }
  return ids;
}

/** A consumer takes so many messages, as a worker does. */
async function take(queue: string, count: number): Promise<void> {
  const stream = `${queue}(event_stream)`;
  await redis.xgroup('CREATE', stream, 'elkmq', '0').catch(() => undefined);
  await redis.xreadgroup('GROUP', 'elkmq', 'host-1-abc.1.10000', 'COUNT', count, 'STREAMS', stream, '>');
}

/** The time on the clock of Redis, ms. */
async function timeOfRedis(): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

function payloadsOf(messages: readonly QueueMessage[]): unknown[] {
  return messages.map(({ payload }) => payload);
}

async function allSteps(steps: AsyncIterable<SearchStep>): Promise<SearchStep[]> {
  const all: SearchStep[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

async function findAll(...args: [QueueAdmin, ...Parameters<QueueAdmin['search']>]): Promise<unknown[]> {
  const [admin, ...search] = args;
  return payloadsOf((await allSteps(admin.search(...search))).flatMap(({ found }) => found));
}

describe('the messages of a queue', () => {
  it('that wait are those that no worker has taken, in pages, with all that they have', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    expect(await admin.messages('waiting')).toEqual({ messages: [], next: undefined });
    const ids = await storeOld(queue, [0, 1, 2, 3, 4]);
    await take(queue, 2);
    const first = await admin.messages('waiting', { limit: 2 });
    expect(payloadsOf(first.messages)).toEqual([2, 3]);
    expect(first.messages[0]).toMatchObject({
      state: 'waiting',
      id: ids[2],
      origin: ids[2],
      payload: 2,
      headers: { tenant: 't2' },
      attempt: 1,
      storedAt: Number.parseInt(String(ids[2])),
      deadline: Number.parseInt(String(ids[2])) + 65_535_000,
      isRequest: false,
    });
    expect(first.messages[0]?.event).toMatchObject({ action: 'order.placed', payload: '2' });
    // A worker takes a message between two pages: it waits no more, and does not shift the next page.
    await take(queue, 1);
    const second = await admin.messages('waiting', { limit: 2, after: first.next });
    expect(payloadsOf(second.messages)).toEqual([4]);
    expect(second.next).toBeUndefined();
  });

  it('that run tell who has them, and since when at the latest', async () => {
    const queue = newQueueName();
    const [first, second] = await storeOld(queue, ['a', 'b', 'c']);
    const admin = adminOf(queue);
    expect(await admin.messages('running')).toEqual({ messages: [], next: undefined });
    const before = await timeOfRedis();
    await take(queue, 2);
    const page = await admin.messages('running', { limit: 1 });
    const after = await timeOfRedis();
    expect(page.messages).toMatchObject([
      { state: 'running', id: first, consumer: 'host-1-abc.1.10000', payload: 'a', attempt: 1 },
    ]);
    expect(page.messages[0]?.renewedAt).toBeGreaterThanOrEqual(before);
    expect(page.messages[0]?.renewedAt).toBeLessThanOrEqual(after);
    expect((await admin.messages('running', { after: page.next })).messages).toMatchObject([
      { id: second, payload: 'b' },
    ]);
  });

  it('that run belong to a worker of workers(), whose name their consumer begins with', async () => {
    const queue = newQueueName();
    const end: (() => void)[] = [];
    await startWorker({ queue }, { event: () => new Promise<void>((resolve) => end.push(resolve)) });
    const admin = adminOf(queue);
    await told(startClient({ queue }).emit('event', { id: 1 }));
    await until(() => end.length === 1);
    const [worker] = await admin.workers();
    const { messages } = await admin.messages('running');
    expect(messages).toMatchObject([{ payload: { id: 1 } }]);
    expect(messages[0]?.consumer).toContain(`${String(worker?.name)}.`);
    end[0]?.();
  });

  it('have the headers that their handler gets: none where one of them is no string', async () => {
    const queue = newQueueName();
    const event = '{"request_uuid":1,"timeout":60,"action":"event","payload":null}';
    const headers = '{"tenant":"a","retries":1}';
    await redis.xadd(`${queue}(event_stream)`, '*', 'event', event, 'reply_to', '', 'headers', headers);
    const { messages } = await adminOf(queue).messages('waiting');
    expect(messages).toMatchObject([{ fields: expect.arrayContaining([headers]) as unknown, headers: {} }]);
    const handled: unknown[] = [];
    const note = (_data: unknown, context: ElkMqContext) =>
      Promise.resolve(handled.push(context.getHeaders()));
    await startWorker({ queue }, { event: note });
    await until(() => handled.length === 1);
    expect(handled).toEqual([{}]);
  });

  it('that are delayed come by when they are due, in pages', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    for (const delay of [3_000_000, 1_000_000, 2_000_000]) {
      await told(client.emit('later', new ElkMqRecordBuilder(delay).setDelay(delay).build()));
    }
    const admin = adminOf(queue);
    const first = await admin.messages('delayed', { limit: 2 });
    expect(payloadsOf(first.messages)).toEqual([1_000_000, 2_000_000]);
    const [soonest] = first.messages;
    expect(Number(soonest?.dueAt) - Number(soonest?.storedAt)).toBeGreaterThanOrEqual(1_000_000);
    expect(soonest).toMatchObject({ state: 'delayed', id: soonest?.origin, attempt: 1 });
    const second = await admin.messages('delayed', { limit: 2, after: first.next });
    expect(payloadsOf(second.messages)).toEqual([3_000_000]);
    expect(second.next).toBeUndefined();
    // A nudge for a delayed message that is due soon is no message.
    expect((await admin.messages('waiting')).messages).toEqual([]);
  });

  it('that are due at the same time are in one page or the next, and none is lost or comes twice', async () => {
    const queue = newQueueName();
    const due = Date.now() + HOUR;
    const origins = Array.from({ length: 7 }, (_, index) => `${String(due - 2 * HOUR)}-${String(index)}`);
    const event = '{"request_uuid":1,"timeout":60,"action":"a","payload":null}';
    for (const origin of origins) {
      const fields = ['event', event, 'reply_to', '', 'due', String(due), 'origin', origin];
      await redis.zadd(`${queue}(delayed)`, due, origin);
      await redis.hset(`${queue}(delayed_bodies)`, origin, JSON.stringify(fields));
    }
    const admin = adminOf(queue);
    const seen: string[] = [];
    let after: string | undefined;
    for (let page = 0; page < 3; page++) {
      const { messages, next } = await admin.messages('delayed', { limit: 3, after });
      seen.push(...messages.map(({ origin }) => origin));
      after = next;
    }
    expect(after).toBeUndefined();
    expect(seen).toEqual(origins);
  });

  it('that are dead come with their letters, the last one first', async () => {
    const queue = newQueueName();
    await writeLetters(queue, [deadLetter(1), deadLetter(2, 'expired'), deadLetter(3)]);
    const admin = adminOf(queue);
    const first = await admin.messages('dead', { limit: 2 });
    expect(first.messages.map(({ origin }) => origin)).toEqual([
      expect.stringMatching(/-3$/) as unknown,
      expect.stringMatching(/-2$/) as unknown,
    ]);
    expect(first.messages[1]).toMatchObject({ state: 'dead', attempt: 1, letter: { reason: 'expired' } });
    expect((await admin.messages('dead', { after: first.next })).messages).toHaveLength(1);
  });

  it('are shown as they are when they are no events, and page after page when they are large', async () => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    await redis.xadd(stream, '*', 'event', 'no event');
    for (let n = 0; n < 3; n++) await redis.xadd(stream, '*', 'event', 'x'.repeat(1_100_000));
    const admin = adminOf(queue);
    const { messages } = await admin.messages('waiting');
    expect(messages).toHaveLength(4);
    expect(messages[0]).toMatchObject({
      event: undefined,
      deadline: undefined,
      fields: ['event', 'no event'],
    });
    // One step brings little more than a megabyte.
    const [step] = await allSteps(admin.search({}));
    expect(step?.searched).toBeLessThan(4);
  });

  it('cannot be asked for with a state or a place that is none', async () => {
    const admin = adminOf(newQueueName());
    expect(await rejection(admin.messages('done' as 'dead'))).toMatchObject({
      message: 'state must be one of waiting, ordered, running, delayed, dead, got "done"',
    });
    for (const state of ['waiting', 'running', 'delayed'] as const)
      expect(await rejection(admin.messages(state, { after: 'x' }))).toMatchObject({
        code: 'INVALID_OPTION',
      });
    expect(await rejection(admin.message('x'))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await rejection(admin.messages('dead', { limt: 1 } as object))).toMatchObject({
      message: 'messages has no option "limt"; it has after, limit',
    });
  });
});

describe('one message', () => {
  it('is found by its origin in every state', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const [running, waiting] = (await storeOld(queue, ['r', 'w'])) as [string, string];
    await take(queue, 1);
    const letter = deadLetter(5);
    await writeLetters(queue, [letter]);
    await told(startClient({ queue }).emit('later', new ElkMqRecordBuilder('d').setDelay(HOUR).build()));
    const [delayed] = (await admin.messages('delayed')).messages;
    expect(await admin.message(running)).toMatchObject({ state: 'running', payload: 'r' });
    expect(await admin.message(waiting)).toMatchObject({ state: 'waiting', payload: 'w' });
    expect(await admin.message(String(delayed?.origin))).toMatchObject({ state: 'delayed', payload: 'd' });
    expect(await admin.message(letter.origin)).toMatchObject({ state: 'dead', letter: { reason: 'failed' } });
    expect(await admin.message('1-1')).toBeUndefined();
  });

  it('is found by its origin when it is tried again', async () => {
    const queue = newQueueName();
    const [old] = await storeOld(queue, ['before']);
    const event = '{"request_uuid":1,"timeout":60,"action":"again","payload":"1"}';
    const fields = ['event', event, 'reply_to', '', 'origin', '1-1', 'attempt', '3'];
    const id = await redis.xadd(`${queue}(event_stream)`, '*', ...fields);
    const admin = adminOf(queue);
    expect(await admin.message('1-1')).toMatchObject({ id, origin: '1-1', attempt: 3, state: 'waiting' });
    await take(queue, 2);
    expect(await admin.message('1-1')).toMatchObject({ id, state: 'running' });
    expect(await admin.message(String(old))).toMatchObject({ payload: 'before' });
  });
});

describe('a search', () => {
  it('finds by pattern, text, header, reason and time, in all states', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const ids = await storeOld(queue, ['anna', 'berta', 'carla']);
    await storeOld(newQueueName(), ['elsewhere']);
    await told(
      startClient({ queue }).emit('invoice.sent', new ElkMqRecordBuilder('anna').setDelay(HOUR).build()),
    );
    await take(queue, 1);
    await writeLetters(queue, [deadLetter(1), deadLetter(2, 'expired')]);
    expect(await findAll(admin, {})).toEqual(['anna', 'carla', 'berta', 'anna', 2, 1]);
    expect(await findAll(admin, { text: 'ann' })).toEqual(['anna', 'anna']);
    expect(await findAll(admin, { pattern: 'invoice.*' })).toEqual(['anna']);
    expect(await findAll(admin, { pattern: 'order.placed', text: 'rta' })).toEqual(['berta']);
    expect(await findAll(admin, { pattern: 'order' })).toEqual([]);
    expect(await findAll(admin, { header: { tenant: 't1' } })).toEqual(['berta']);
    expect(await findAll(admin, { reason: 'expired' })).toEqual([2]);
    const time = Number.parseInt(String(ids[1]));
    expect(await findAll(admin, { since: time, until: time })).toEqual(['berta']);
    expect(await findAll(admin, {}, { states: ['dead'] })).toEqual([2, 1]);
  });

  it('tells how far it is, and ends after the newest ones', async () => {
    const queue = newQueueName();
    await storeOld(
      queue,
      Array.from({ length: 600 }, (_, index) => index),
    );
    const steps = await allSteps(adminOf(queue).search({ text: '5' }));
    expect(steps.map(({ searched, total }) => [searched, total]).at(-1)).toEqual([600, 600]);
    expect(steps.length).toBeGreaterThan(2);
    const [newest] = await allSteps(adminOf(queue).search({}, { newest: 10, states: ['waiting'] }));
    expect(newest).toMatchObject({ searched: 10, total: 10 });
    expect(payloadsOf(newest?.found ?? [])).toEqual([599, 598, 597, 596, 595, 594, 593, 592, 591, 590]);
  });

  it('refuses a filter with something else in it', async () => {
    const search = adminOf(newQueueName()).search({ patern: 'x' } as object);
    expect(await rejection(search.next())).toMatchObject({
      message:
        'the filter of messages has no option "patern"; it has header, key, pattern, reason, since, text, until',
    });
  });

  it.each([
    [{ since: 'yesterday' }, 'since must be a time in ms since 1970, got "yesterday"'],
    [{ until: Number.NaN }, 'until must be a time in ms since 1970, got NaN'],
    [{ text: 5 }, 'text must be a string, got 5'],
    [{ pattern: /x/ }, 'pattern must be a string, got an object'],
    [{ header: 'tenant' }, 'header must be an object of strings, got "tenant"'],
    [{ header: null }, 'header must be an object of strings, got null'],
    [{ header: { tenant: 5 } }, 'header "tenant" must be a string, got 5'],
  ])('refuses the filter %j', async (filter, message) => {
    const search = adminOf(newQueueName()).search(filter as object);
    expect(await rejection(search.next())).toMatchObject({ code: 'INVALID_OPTION', message });
  });

  it.each([
    [{ newst: 10 }, 'search has no option "newst"; it has newest, states'],
    [null, 'search takes an object of options (newest, states), got null'],
    [
      { states: 'dead' },
      'states must be an array of states (running, waiting, ordered, delayed, dead), got "dead"',
    ],
    [{ states: ['done'] }, 'state must be one of waiting, ordered, running, delayed, dead, got "done"'],
  ])('refuses the options %j', async (options, message) => {
    const search = adminOf(newQueueName()).search({}, options as object);
    expect(await rejection(search.next())).toMatchObject({ code: 'INVALID_OPTION', message });
  });
});

describe('queues', () => {
  it('cannot be asked for with an option that there is not', async () => {
    expect(await rejection(queues(url, { limt: 1 } as object))).toMatchObject({
      code: 'INVALID_OPTION',
      message: 'queues has no option "limt"; it has credentials, limit, maxKeys, timeout',
    });
  });

  it('are found by what they hold, or by their workers', async () => {
    const server = await ownRedis();
    const client = clientOf(server);
    await client.set('other', 'x');
    expect(await queues(server.adminUrl)).toEqual({ queues: [], isComplete: true });
    await valuesOf(startClient({ queue: 'orders', url: server.url }).emit('a', 1));
    await client.zadd('late(delayed)', 1, '1-1');
    await client.zadd('sad(dead_letters)', 1, '1-1');
    await client.hset('busy(workers)', 'a', 'b');
    await client.set('no(thing)', 'x');
    expect(await queues(server.adminUrl)).toEqual({
      queues: ['busy', 'late', 'orders', 'sad'],
      isComplete: true,
    });
    expect(await queues(server.adminUrl, { limit: 2 })).toEqual({
      queues: ['busy', 'late'],
      isComplete: false,
    });
  });

  it('are found among many keys, step by step', async () => {
    const name = newQueueName();
    await redis.zadd(`${name}(delayed)`, 1, '1-1');
    const { queues: found, isComplete } = await queues(inject('adminUrl'), { limit: 100_000 });
    expect(found).toContain(name);
    expect(isComplete).toBe(true);
  });
});
