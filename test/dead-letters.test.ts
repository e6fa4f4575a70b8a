import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, RpcException } from '@nestjs/microservices';
import { ElkMqContext, ElkMqRecordBuilder, EventQueue, ServiceEvent, type DeadLetter } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, eventsOf, millisecondsOf } from './support/entries.js';
import { logs, moduleOf, startApp, startClient, unsettled } from './support/nest.js';
import { Proxy } from './support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from './support/queue.js';

const DAY = 24 * 60 * 60 * 1_000;

function newQueue(name = newQueueName(), redisUrl = url): EventQueue {
  return closing(new EventQueue(name, redisUrl));
}

type Letter = ReturnType<typeof letterOf>;

/** A letter as a worker writes it. The later ones in a list died later, `number` in a group at the same time. */
function letterOf(number: number, reason = 'failed', action = 'order.placed', lastAt = Date.now() - DAY) {
  const event = `{"request_uuid":${number},"timeout":60,"action":"${action}","payload":"${number}"}`;
  return {
    reason,
    origin: `${lastAt - 1_000}-${number}`,
    fields: ['event', event, 'reply_to', ''],
    attempts: 1,
    firstAt: lastAt - 1_000,
    lastAt,
    consumer: 'worker',
  };
}

async function write(queue: string, letters: readonly Letter[]): Promise<void> {
  const scores = letters.flatMap(({ origin, lastAt }) => [lastAt, origin]);
  await redis.zadd(`${queue}(dead_letters)`, ...scores);
  const bodies = letters.flatMap((letter) => [letter.origin, JSON.stringify(letter)]);
  await redis.hset(`${queue}(dead_letter_bodies)`, ...bodies);
}

async function lettersOf({ deadLetters }: EventQueue, ...filter: Parameters<typeof deadLetters.all>) {
  const letters: DeadLetter[] = [];
  for await (const letter of deadLetters.all(...filter)) letters.push(letter);
  return letters;
}

function payloadsOf(letters: readonly DeadLetter[]): (string | null | undefined)[] {
  return letters.map(({ event }) => event?.payload);
}

/** Starts a worker whose handler of `order.placed` fails until it is told not to. */
async function startFailing(queue: string) {
  const state = { fails: true, attempts: [] as number[], headers: [] as unknown[] };
  @Controller()
  class Orders {
    @EventPattern('order.placed')
    placed(@Ctx() context: ElkMqContext): void {
      if (state.fails) throw new RpcException('sold out');
      state.attempts.push(context.getAttempt());
      state.headers.push(context.getHeaders());
    }
  }
  await startApp(moduleOf(Orders), { queue });
  return state;
}

describe('a letter', () => {
  it('tells what was not handled, why, and when', async () => {
    const queue = newQueue();
    await startFailing(queue.name);
    const record = new ElkMqRecordBuilder({ id: 7 }).setHeaders({ tenant: 'blue' }).build();
    await lastValueFrom(startClient({ queue: queue.name }).emit('order.placed', record));
    await until(async () => (await queue.deadLetters.count()) === 1);

    const [letter] = (await queue.deadLetters.list()).letters as [DeadLetter];
    expect(letter).toMatchObject({
      reason: 'failed',
      error: { message: expect.stringContaining('sold out') as string },
      attempts: 1,
      consumer: expect.stringContaining(`-${String(process.pid)}-`) as string,
    });
    expect(letter.event).toBeInstanceOf(ServiceEvent);
    expect(letter.event).toMatchObject({ action: 'order.placed', payload: '{"id":7}' });
    expect(letter.fields).toContain('{"tenant":"blue"}');
    expect(letter.firstAt).toBe(millisecondsOf(letter.origin));
    // The worker's view of the clock of Redis may be late by a round trip.
    expect(letter.lastAt).toBeGreaterThan(letter.firstAt - 1_000);
    expect(await queue.deadLetters.get(letter.origin)).toEqual(letter);
  });

  it('of an entry that is no event has its fields, but no event', async () => {
    const queue = newQueue();
    const origin = String(await redis.xadd(`${queue.name}(event_stream)`, '*', 'event', 'x', 'y', 'z'));
    await rejection(queue.dequeue());
    expect(await queue.deadLetters.get(origin)).toMatchObject({
      reason: 'malformed',
      event: undefined,
      fields: ['event', 'x', 'y', 'z'],
      error: { name: 'JsonParseError' },
    });
  });

  it('that is not there is undefined', async () => {
    expect(await newQueue().deadLetters.get('1-1')).toBeUndefined();
  });
});

describe('listing', () => {
  it('goes page by page through 2,500 letters, those that died last first, each once', async () => {
    const queue = newQueue();
    const start = Date.now() - DAY;
    // All at one time, in pairs, one by one: the order is that of time, and within it that of the origins.
    const letters = Array.from({ length: 2_500 }, (_, n) => {
      const at = n < 1_200 ? 0 : n < 1_800 ? n >> 1 : n;
      return letterOf(n + 1_000, 'failed', 'order.placed', start + at);
    });
    await write(queue.name, letters);
    const expected = letters.map(({ origin }) => origin).reverse();

    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await queue.deadLetters.list({ before, limit: 100 });
      expect(page.letters).toHaveLength(100);
      seen.push(...page.letters.map(({ origin }) => origin));
      before = page.next;
    } while (before !== undefined);
    expect(seen).toEqual(expected);
    expect((await lettersOf(queue)).map(({ origin }) => origin)).toEqual(expected);
    expect(await queue.deadLetters.count()).toBe(2_500);
    expect(await queue.deadLetters.count({ reason: 'failed' })).toBe(2_500);
  });

  it('is not disturbed by letters that come and go between pages', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 30 }, (_, n) => letterOf(n + 10));
    await write(queue.name, letters);
    const first = await queue.deadLetters.list({ limit: 10 });
    for (const { origin } of first.letters) await queue.deadLetters.remove(origin);
    await write(queue.name, [letterOf(50)]);
    const second = await queue.deadLetters.list({ limit: 10, before: first.next });
    expect(payloadsOf(second.letters)).toEqual(['29', '28', '27', '26', '25', '24', '23', '22', '21', '20']);
  });

  it('of large letters reads them bit by bit', async () => {
    const queue = newQueue();
    const text = 'x'.repeat(1024 * 1024);
    await write(
      queue.name,
      Array.from({ length: 12 }, (_, n) => ({ ...letterOf(n + 10), error: { name: 'E', message: text } })),
    );
    const { letters, next } = await queue.deadLetters.list({ limit: 11 });
    expect(letters.map(({ error }) => error?.message.length)).toEqual(Array(11).fill(text.length));
    expect((await queue.deadLetters.list({ before: next })).letters).toHaveLength(1);
  });

  it('and counting take only those that pass the filter', async () => {
    const queue = newQueue();
    await write(queue.name, [
      letterOf(10, 'failed', 'a'),
      letterOf(11, 'expired', 'a'),
      letterOf(12, 'failed', 'b'),
      letterOf(13, 'failed', 'a'),
      { ...letterOf(14, 'malformed'), fields: ['event', 'x'] },
    ]);
    const { deadLetters } = queue;
    expect(payloadsOf(await lettersOf(queue, { reason: 'failed' }))).toEqual(['13', '12', '10']);
    expect(payloadsOf(await lettersOf(queue, { action: 'a' }))).toEqual(['13', '11', '10']);
    expect(payloadsOf(await lettersOf(queue, { reason: 'failed', action: 'a' }))).toEqual(['13', '10']);
    expect(await deadLetters.count({ reason: 'failed', action: 'a' })).toBe(2);
    expect(await deadLetters.count({ reason: 'exhausted' })).toBe(0);
    const page = await deadLetters.list({ action: 'a', limit: 2 });
    expect(payloadsOf(page.letters)).toEqual(['13', '11']);
    const last = await deadLetters.list({ action: 'a', limit: 2, before: page.next });
    expect([payloadsOf(last.letters), last.next]).toEqual([['10'], undefined]);
  });
});

describe('retrying', () => {
  it('hands the event of a failed handler out anew: its first attempt, with its headers', async () => {
    const queue = newQueue();
    const state = await startFailing(queue.name);
    const record = new ElkMqRecordBuilder({ id: 7 }).setHeaders({ tenant: 'blue' }).build();
    await lastValueFrom(startClient({ queue: queue.name }).emit('order.placed', record));
    await until(async () => (await queue.deadLetters.count()) === 1);

    const [{ origin }] = (await queue.deadLetters.list()).letters as [DeadLetter];
    expect(await queue.deadLetters.retry({ action: 'order.placed' })).toBe(1);
    await until(async () => (await queue.deadLetters.count()) === 1);
    const [again] = (await queue.deadLetters.list()).letters as [DeadLetter];
    expect(again.origin).not.toBe(origin);
    expect(again).toMatchObject({ reason: 'failed', attempts: 1 });

    state.fails = false;
    expect(await queue.deadLetters.retry(again.origin)).toBe(1);
    await until(() => state.attempts.length === 1);
    await until(async () => (await unsettled(queue.name)) === 0);
    expect(state).toMatchObject({ attempts: [1], headers: [{ tenant: 'blue' }] });
    // Keys of letters are gone with the last letter.
    expect(Object.keys(await keysOf(queue.name)).filter((key) => key.includes('dead'))).toEqual([]);
  });

  it('gives a message that has expired its whole time again, and nobody a reply', async () => {
    const queue = newQueue();
    const { origin, ...letter } = letterOf(7, 'exhausted');
    const fields = [...letter.fields.slice(0, 2), 'reply_to', 'gone', 'headers', '{"a":"b"}'];
    fields.push('origin', '1-1', 'attempt', '5');
    await write(queue.name, [{ ...letter, origin, fields }]);
    const before = Date.now();
    await queue.deadLetters.retry(origin);
    const [entry] = await eventsOf(queue.name);
    expect(entry?.fields).toEqual(['event', fields[1], 'reply_to', '', 'headers', '{"a":"b"}']);
    expect(millisecondsOf(entry?.id ?? '')).toBeGreaterThan(before - 1_000);
    const [timestamp, event] = await queue.dequeue();
    expect([timestamp, event.uuid]).toEqual([millisecondsOf(entry?.id ?? ''), 7n]);
  });

  it("makes an original client's event one of ours", async () => {
    const queue = newQueue();
    await enqueueAsTheOriginal(
      queue.name,
      '{"request_uuid":7,"timeout":9,"action":"order.lost","payload":"ä\\u0000"}',
    );
    await startFailing(queue.name);
    await until(async () => (await queue.deadLetters.count({ reason: 'unhandled' })) === 1);
    expect(await queue.deadLetters.retry({ reason: 'unhandled' })).toBe(1);
    await until(async () => (await queue.deadLetters.count({ reason: 'unhandled' })) === 1);
    const [letter] = await lettersOf(queue);
    expect(letter?.event?.payload).toBe('ä\0');
    expect(letter?.fields.slice(2)).toEqual(['reply_to', '']);
  });

  it('takes those that pass the filter, in the order in which they died', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 1_300 }, (_, n) =>
      letterOf(n + 1_000, n % 13 === 0 ? 'expired' : 'failed'),
    );
    await write(queue.name, letters);
    expect(await queue.deadLetters.retry({ reason: 'failed' })).toBe(1_200);
    const revived = (await eventsOf(queue.name)).map(({ fields }) => fields[1]);
    expect(revived).toEqual(letters.filter(({ reason }) => reason === 'failed').map((l) => l.fields[1]));
    expect(await queue.deadLetters.count()).toBe(100);
    expect(await queue.deadLetters.count({ reason: 'failed' })).toBe(0);
  });

  it('by several at once puts each message back once', async () => {
    const name = newQueueName();
    const letters = Array.from({ length: 700 }, (_, n) => letterOf(n + 1_000));
    await write(name, letters);
    const counts = await Promise.all([1, 2, 3, 4].map(() => newQueue(name).deadLetters.retry({})));
    expect(counts.reduce((sum, count) => sum + count)).toBe(700);
    expect(await redis.xlen(`${name}(event_stream)`)).toBe(700);
    expect(await newQueue(name).deadLetters.retry(letters[0]?.origin ?? '')).toBe(0);
  });

  it('puts each message back once, when the answer of Redis is lost', async () => {
    const proxy = closing(await Proxy.before(url));
    const queue = newQueue(newQueueName(), proxy.url);
    const letter = letterOf(10);
    await write(queue.name, [letter, letterOf(11)]);
    await queue.deadLetters.count();
    proxy.loseAnswers(/eval/i);
    expect(await queue.deadLetters.retry(letter.origin)).toBe(1);
    expect(proxy.lost).toBe(1);
    expect(await eventsOf(queue.name)).toHaveLength(1);
    expect(await queue.deadLetters.count()).toBe(1);
  });

  it('of an entry that is no event makes it a dead letter again', async () => {
    const queue = newQueue();
    await redis.xadd(`${queue.name}(event_stream)`, '*', 'event', 'x', 'attempt', 'y');
    await rejection(queue.dequeue());
    expect(await queue.deadLetters.retry({ reason: 'malformed' })).toBe(1);
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'JSON_PARSE_FAILED' });
    expect((await lettersOf(queue))[0]?.fields).toEqual(['event', 'x', 'reply_to', '']);
  });

  it('fails with an EnqueueError when Redis refuses to store them, and keeps their letters', async () => {
    const queue = newQueue();
    await write(queue.name, [letterOf(10)]);
    await redis.set(`${queue.name}(event_stream)`, 'not a stream');
    expect(await rejection(queue.deadLetters.retry({}))).toMatchObject({ code: 'ENQUEUE_FAILED' });
    expect(await queue.deadLetters.count()).toBe(1);
  });
});

describe('removing', () => {
  it('deletes one letter, those that pass a filter, or all', async () => {
    const queue = newQueue();
    const { deadLetters } = queue;
    const letters = Array.from({ length: 600 }, (_, n) =>
      letterOf(n + 1_000, n < 550 ? 'failed' : 'expired'),
    );
    await write(queue.name, letters);
    const origin = letters[0]?.origin ?? '';
    expect(await deadLetters.remove(origin)).toBe(1);
    expect(await deadLetters.remove(origin)).toBe(0);
    expect(await deadLetters.get(origin)).toBeUndefined();
    expect(await deadLetters.remove({ reason: 'failed' })).toBe(549);
    expect(await deadLetters.count()).toBe(50);
    expect(await deadLetters.remove({})).toBe(50);
    expect(await deadLetters.remove({})).toBe(0);
    expect(await keysOf(queue.name)).toEqual({});
  });
});

describe('what cannot be meant is refused', () => {
  const { deadLetters } = new EventQueue('never used', { lazyConnect: true });
  it.each([
    ['no filter', () => deadLetters.remove(undefined as never), 'must be an object, got undefined'],
    ['a list', () => deadLetters.retry([] as never), 'must be an object, got an array of 0'],
    [
      'a misspelt filter',
      () => deadLetters.remove({ reson: 'failed' } as never),
      'has no "reson"; it has reason',
    ],
    ['an unknown reason', () => deadLetters.count({ reason: 'bored' } as never), 'got "bored"'],
    ['an action that is no text', () => deadLetters.count({ action: 7 } as never), 'must be a string, got 7'],
    [
      'a page of nothing',
      () => deadLetters.list({ limit: 0 }),
      'limit must be a whole number from 1 to 1000',
    ],
    ['another place', () => deadLetters.list({ before: '7' }), 'before must be `next` of a page, got "7"'],
    ['an origin that is no text', () => deadLetters.get(7 as never), 'origin must be the id of a message'],
  ])('%s', async (_what, call, message) => {
    expect(await rejection(call())).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('a letter that something else wrote', () => {
  it.each(['{"fields":["event"]}', '{"fields":["event",{}]}', '{"fields":[null,null]}', '{"fields":7}'])(
    'with fields that are none is not put back, and does not keep others from it: %s',
    async (body) => {
      const queue = newQueue();
      await redis.zadd(`${queue.name}(dead_letters)`, 1, '1-1');
      await redis.hset(`${queue.name}(dead_letter_bodies)`, '1-1', body);
      await write(queue.name, [letterOf(7)]);
      expect(await queue.deadLetters.retry({})).toBe(1);
      expect((await lettersOf(queue)).map(({ origin }) => origin)).toEqual(['1-1']);
      expect(await queue.deadLetters.remove({})).toBe(1);
    },
  );

  it.each(['x', 'null', '7'])('and that is not JSON of an object is a JsonParseError: %s', async (body) => {
    const queue = newQueue();
    await redis.zadd(`${queue.name}(dead_letters)`, 1, '1-1');
    await redis.hset(`${queue.name}(dead_letter_bodies)`, '1-1', body);
    const refusal = { code: 'JSON_PARSE_FAILED', message: expect.stringContaining('1-1') as string };
    expect(await rejection(queue.deadLetters.list())).toMatchObject(refusal);
    expect(await queue.deadLetters.retry('1-1')).toBe(0);
    expect(await queue.deadLetters.remove('1-1')).toBe(1);
  });
});

describe('what is kept', () => {
  /** Has so many events without a handler die. */
  async function die(queue: string, deaths: number, deadLetters: { max?: number; maxAge?: number }) {
    const app = await startApp(moduleOf(), { queue, deadLetters });
    const client = startClient({ queue });
    const emitted = Array.from({ length: deaths }, (_, n) => lastValueFrom(client.emit('lost', n)));
    await Promise.all(emitted);
    await until(async () => (await unsettled(queue)) === 0);
    await app.close();
    return logs.filter((line) => line.includes(queue) && line.includes('dropped'));
  }

  it('is no more than deadLetters.max, the newest; the log says what was dropped, but not for each', async () => {
    const queue = newQueue();
    await write(queue.name, [letterOf(10), letterOf(11)]);
    const warnings = await die(queue.name, 8, { max: 5 });
    expect(await queue.deadLetters.count()).toBe(5);
    expect(await queue.deadLetters.count({ action: 'lost' })).toBe(5);
    expect(await redis.hlen(`${queue.name}(dead_letter_bodies)`)).toBe(5);
    const dropped = (count: number) =>
      `warn [ElkMqServer] ${count} dead letters of queue '${queue.name}' were dropped: more than deadLetters.max (5)`;
    // At once, and the rest when the worker stops.
    expect(warnings).toEqual([dropped(1), dropped(4)]);
  });

  it('is not older than deadLetters.maxAge', async () => {
    const queue = newQueue();
    const month = 30 * DAY;
    await write(queue.name, [
      letterOf(10, 'failed', 'a', Date.now() - month - 1),
      letterOf(11, 'failed', 'a', Date.now() - month - 2),
      letterOf(12, 'failed', 'a', Date.now() - month + 60_000),
    ]);
    const warnings = await die(queue.name, 2, { maxAge: month });
    expect((await lettersOf(queue)).map(({ event }) => event?.action)).toEqual(['lost', 'lost', 'a']);
    expect(warnings).toEqual([
      `warn [ElkMqServer] 2 dead letters of queue '${queue.name}' were dropped: older than deadLetters.maxAge (${month} ms)`,
    ]);
  });

  it('takes a thousand out at a time, however many there are too many', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 2_500 }, (_, n) => letterOf(n + 1_000));
    await write(queue.name, letters);
    await die(queue.name, 1, { max: 10 });
    expect(await queue.deadLetters.count()).toBe(1_501);
    await die(queue.name, 2, { max: 10 });
    expect(await queue.deadLetters.count()).toBe(10);
  });
});
