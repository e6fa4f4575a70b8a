import { EventQueue, QueueAdmin, ServiceEvent, type QueueChange, type QueueMessage } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { enqueueAsTheOriginal, eventsOf } from '../support/entries.js';
import { startClient } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { ask, startWorker } from '../support/workers.js';

const HOUR = 3_600_000;

interface Side {
  readonly queue: string;
  readonly keys: QueueKeys;
  readonly admin: QueueAdmin;
  readonly events: EventQueue;
}

interface Scene {
  readonly from: Side;
  readonly to: Side;
  readonly changes: QueueChange[];
}

function newSide(audit: (change: QueueChange) => void = () => undefined): Side {
  const queue = newQueueName();
  return {
    queue,
    keys: new QueueKeys(queue, false),
    admin: closing(new QueueAdmin(queue, url, { audit })),
    events: closing(new EventQueue(queue, url)),
  };
}

function newScene(): Scene {
  const changes: QueueChange[] = [];
  return { from: newSide((change) => void changes.push(change)), to: newSide(), changes };
}

function eventWith(payload: unknown, timeout = 3_600): ServiceEvent {
  return new ServiceEvent(timeout, 'order.placed', JSON.stringify(payload));
}

/** Stores events with these payloads, one after the other. */
async function storeEach({ events }: Side, payloads: readonly number[], orderingKey?: string): Promise<void> {
  const options = orderingKey === undefined ? {} : { orderingKey };
  for (const payload of payloads) await events.enqueue(eventWith(payload), options);
}

/** Takes the first message of a queue, and does not settle it. */
async function takeOne({ keys }: Side): Promise<string> {
  await redis.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM').catch(() => undefined);
  const read = (await redis.xreadgroup(
    'GROUP',
    GROUP,
    'somebody',
    'COUNT',
    1,
    'STREAMS',
    keys.eventStream,
    '>',
  )) as [string, [string, string[]][]][];
  return String(read[0]?.[1][0]?.[0]);
}

async function payloadsOf(
  { admin }: Side,
  state: 'waiting' | 'ordered' | 'delayed' = 'waiting',
): Promise<unknown[]> {
  return (await admin.messages(state)).messages.map(({ payload }) => payload);
}

function idsOf(messages: readonly QueueMessage[]): string[] {
  return messages.map(({ id }) => id);
}

/** The ids of all messages that nobody handles. */
async function allIds({ admin }: Side): Promise<string[]> {
  const states = ['waiting', 'ordered', 'delayed'] as const;
  const pages = await Promise.all(states.map((state) => admin.messages(state, { limit: 1_000 })));
  return pages.flatMap(({ messages }) => idsOf(messages));
}

describe('messages that are moved to another queue', () => {
  it('keep the number of their attempt, and how many of the attempts before were abandoned', async () => {
    const { from, to } = newScene();
    const json = '{"request_uuid":7,"timeout":3600,"action":"a","payload":null}';
    const attempts = ['attempt', '4', 'abandoned_attempts', '2'];
    const id = await redis.xadd(from.keys.eventStream, '*', 'event', json, 'reply_to', '', ...attempts);
    expect(await from.admin.move(String(id), to.queue)).toEqual({ count: 1, stayed: {} });
    const [moved] = await eventsOf(to.queue);
    expect(moved?.fields.slice(4, 8)).toEqual(attempts);
  });

  it('are there in their order, with all that they had, and the audit is told', async () => {
    const { from, to, changes } = newScene();
    const headers = { tenant: 'a' };
    for (const n of [1, 2]) await from.admin.enqueue(eventWith(n), { headers });
    changes.length = 0;
    const before = (await from.admin.messages('waiting')).messages;
    // A search finds the newest first.
    const ids = idsOf(before).reverse();
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 2, stayed: {} });
    const after = (await to.admin.messages('waiting')).messages;
    expect(after.map(({ payload }) => payload)).toEqual([1, 2]);
    for (const [index, { event, deadline }] of before.entries()) {
      expect(after[index]).toMatchObject({ event, headers, deadline, attempt: 1, isRequest: false });
      expect(after[index]?.origin).not.toBe(before[index]?.origin);
    }
    expect(await from.admin.state()).toMatchObject({ waiting: 0 });
    expect(await from.admin.state()).not.toHaveProperty('moving');
    expect(changes).toEqual([{ queue: from.queue, action: 'move', target: ids, count: 2, to: to.queue }]);
  });

  it('keep their attempts and the errors of these', async () => {
    const { from, to } = newScene();
    await redis.xadd(
      from.keys.eventStream,
      '*',
      'event',
      '{"request_uuid":1,"timeout":60,"action":"a","payload":"1"}',
      'reply_to',
      '',
      'attempt',
      '3',
      'origin',
      `${String(Date.now() - HOUR)}-0`,
      'errors',
      JSON.stringify([{ attempt: 2, at: 5, name: 'Error', message: 'no price' }]),
    );
    const [before] = (await from.admin.messages('waiting')).messages;
    expect(await from.admin.move(String(before?.id), to.queue)).toMatchObject({ count: 1 });
    const [after] = (await to.admin.messages('waiting')).messages;
    expect(after).toMatchObject({ attempt: 3, errors: before?.errors, deadline: before?.deadline });
    expect(after?.errors).toHaveLength(1);
  });

  it('come when they are due, if they are delayed', async () => {
    const { from, to } = newScene();
    await from.admin.enqueue(eventWith(1), { delay: HOUR });
    await from.admin.enqueue(eventWith(2), { delay: 1 });
    const before = (await from.admin.messages('delayed')).messages;
    const dueAt = before.find(({ payload }) => payload === 2)?.dueAt ?? Infinity;
    await until(async () => Number((await redis.time())[0]) * 1_000 > dueAt);
    expect(await from.admin.move(idsOf(before), to.queue)).toMatchObject({ count: 2 });
    // Nobody has promoted the second one, which is due.
    expect(await payloadsOf(to)).toEqual([2]);
    const late = before.find(({ payload }) => payload === 1);
    expect((await to.admin.messages('delayed')).messages).toMatchObject([
      { payload: 1, dueAt: late?.dueAt, deadline: late?.deadline },
    ]);
    expect(await from.admin.state()).toMatchObject({ waiting: 0, delayed: 0 });
  });

  it('keep their delay, many together', async () => {
    const { from, to } = newScene();
    for (const payload of [1, 2, 3]) await from.admin.enqueue(eventWith(payload), { delay: HOUR });
    const ids = idsOf((await from.admin.messages('delayed')).messages);
    expect(await from.admin.move(ids, to.queue)).toMatchObject({ count: 3 });
    const moved = (await to.admin.messages('delayed')).messages;
    expect(moved.map(({ payload }) => payload).sort()).toEqual([1, 2, 3]);
    expect(new Set(idsOf(moved)).size).toBe(3);
    expect(await to.admin.state()).toMatchObject({ waiting: 0, delayed: 3 });
  });

  it('stay when a worker has them, or a caller waits for them', async () => {
    const { from, to } = newScene();
    await storeEach(from, [1, 2]);
    const running = await takeOne(from);
    const client = startClient({ queue: from.queue });
    const asking = ask(client, 'sum', [1, 2]);
    await until(async () => (await from.admin.state()).waiting === 2);
    const ids = [running, ...idsOf((await from.admin.messages('waiting')).messages)];
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 1, stayed: { running: 1, request: 1 } });
    expect(await payloadsOf(to)).toEqual([2]);
    expect(await from.admin.state()).toMatchObject({ waiting: 1, running: 1 });
    await startWorker({ queue: from.queue }, { sum: () => Promise.resolve(3) });
    expect(await asking).toBe(3);
  });

  it('stay when legacy clients have a part in them, or when they are no event', async () => {
    const { from, to } = newScene();
    const legacy = await enqueueAsTheOriginal(
      from.queue,
      '{"request_uuid":1,"timeout":60,"action":"a","payload":null}',
    );
    const odd = await redis.xadd(from.keys.eventStream, '*', 'something', 'else');
    const malformed = { ...deadLetter(1), reason: 'malformed' };
    await writeLetters(from.queue, [malformed]);
    const ids = [legacy, String(odd), malformed.origin];
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 0, stayed: { legacy: 1, unreadable: 2 } });
    expect(await from.admin.state()).toMatchObject({ waiting: 2, deadLetters: 1 });
  });

  it('stay when workers have left them to legacy clients', async () => {
    const { from, to } = newScene();
    await storeEach(from, [1, 2]);
    const passedOver = await takeOne(from);
    await redis.xack(from.keys.eventStream, GROUP, passedOver);
    const ids = [passedOver, ...(await allIds(from))];
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 1, stayed: { legacy: 1 } });
    expect(await redis.xlen(from.keys.eventStream)).toBe(1);
  });

  it('take their id out of the list of legacy consumers, and stay when one of those has it', async () => {
    const { from, to } = newScene();
    const fields = [
      'event',
      '{"request_uuid":1,"timeout":60,"action":"a","payload":null}',
      'reply_to',
      '',
      'listed',
      '1',
    ];
    const ids = [];
    for (let n = 0; n < 2; n++) ids.push(String(await redis.xadd(from.keys.eventStream, '*', ...fields)));
    await redis.lpush(from.keys.messageQueue, String(ids[1]));
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 1, stayed: { legacy: 1 } });
    expect(await redis.llen(from.keys.messageQueue)).toBe(0);
    expect((await to.admin.messages('waiting')).messages[0]?.fields).not.toContain('listed');
  });

  it('go to no queue that cannot take them, and not to their own', async () => {
    const { from, to } = newScene();
    await storeEach(from, [1]);
    const ids = await allIds(from);
    await redis.set(to.keys.lanes, 'no hash');
    const error = await rejection(from.admin.move(ids, to.queue));
    expect(error).toHaveProperty('name', 'EnqueueError');
    expect(String(error)).toMatch(/WRONGTYPE.*none was moved/);
    expect(await from.admin.state()).toMatchObject({ waiting: 1 });
    expect(await rejection(from.admin.move(ids, from.queue))).toHaveProperty(
      'message',
      `toQueue must be another queue, got "${from.queue}"`,
    );
  });
});

describe('messages with an ordering key that are moved', () => {
  it('keep their order, whatever the order of the ids', async () => {
    const { from, to } = newScene();
    // Redis tells so many ordered messages in no order.
    const many = Array.from({ length: 60 }, (_, n) => n);
    await storeEach(from, many, 'k');
    await storeEach(from, [101, 102], 'l');
    const ids = (await allIds(from)).reverse();
    expect(await from.admin.move(ids, to.queue)).toEqual({ count: 62, stayed: {} });
    expect(await redis.exists(from.keys.lanes, from.keys.laneBodies)).toBe(0);
    const taken = [];
    for (let n = 0; n < 62; n++) taken.push(Number((await to.events.dequeue())[1].payload));
    expect(taken.filter((payload) => payload < 100)).toEqual(many);
    expect(taken.filter((payload) => payload > 100)).toEqual([101, 102]);
  });

  it('go behind those that the other queue has', async () => {
    const { from, to } = newScene();
    await storeEach(to, [1], 'k');
    await storeEach(from, [2, 3], 'k');
    expect(await from.admin.move(await allIds(from), to.queue)).toMatchObject({ count: 2 });
    const taken = [];
    for (let n = 0; n < 3; n++) taken.push((await to.events.dequeue())[1].payload);
    expect(taken).toEqual(['1', '2', '3']);
  });

  it('stay behind one that stays: it runs, is not chosen, or is tried again first', async () => {
    const { from, to } = newScene();
    await storeEach(from, [1, 2, 3], 'k');
    const ordered = idsOf((await from.admin.messages('ordered')).messages);
    expect(await from.admin.move(ordered, to.queue)).toEqual({ count: 0, stayed: { ordered: 2 } });
    const running = await takeOne(from);
    expect(await from.admin.move([running, ...ordered], to.queue)).toEqual({
      count: 0,
      stayed: { running: 1, ordered: 2 },
    });

    const other = newScene();
    let attempts = 0;
    const handlers = { 'order.event': () => Promise.reject(new Error(String(++attempts))) };
    const retry = { attempts: 2, backoff: HOUR };
    const worker = await startWorker({ queue: other.from.queue, retry }, handlers);
    for (const n of ['1', '2'])
      await other.from.events.enqueue(new ServiceEvent(3_600, 'order.event', n), { orderingKey: 'k' });
    await until(async () => (await other.from.admin.state()).delayed === 1);
    await worker.close();
    expect(await other.from.admin.move(await allIds(other.from), other.to.queue)).toEqual({
      count: 0,
      stayed: { ordered: 2 },
    });
  });
});
