import { ElkMqRecordBuilder, EventQueue, ServiceEvent, type DeadLetter } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { startClient } from '../support/nest.js';
import { keysOf, redis, rejection, until } from '../support/queue.js';
import {
  DAY,
  deadLetter,
  startFailing,
  writeLetters,
  lettersOf,
  payloadsOf,
} from '../support/dead-letters.js';

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
    expect(letter.payload).toEqual({ id: 7 });
    expect(letter.fields).toEqual(['reply_to', '', 'headers', '{"tenant":"blue"}']);
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
      payload: undefined,
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
      return deadLetter(n + 1_000, 'failed', 'order.placed', start + at);
    });
    await writeLetters(queue.name, letters);
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
    const letters = Array.from({ length: 30 }, (_, n) => deadLetter(n + 10));
    await writeLetters(queue.name, letters);
    const first = await queue.deadLetters.list({ limit: 10 });
    for (const { origin } of first.letters) await queue.deadLetters.remove(origin);
    await writeLetters(queue.name, [deadLetter(50)]);
    const second = await queue.deadLetters.list({ limit: 10, before: first.next });
    expect(payloadsOf(second.letters)).toEqual(['29', '28', '27', '26', '25', '24', '23', '22', '21', '20']);
  });

  it('of large letters reads them bit by bit', async () => {
    const queue = newQueue();
    const text = 'x'.repeat(1024 * 1024);
    await writeLetters(
      queue.name,
      Array.from({ length: 12 }, (_, n) => ({ ...deadLetter(n + 10), error: { name: 'E', message: text } })),
    );
    const { letters, next } = await queue.deadLetters.list({ limit: 11 });
    expect(letters.map(({ error }) => error?.message.length)).toEqual(Array(11).fill(text.length));
    expect((await queue.deadLetters.list({ before: next })).letters).toHaveLength(1);
  });

  it('and counting take only those that pass the filter', async () => {
    const queue = newQueue();
    await writeLetters(queue.name, [
      deadLetter(10, 'failed', 'a'),
      deadLetter(11, 'expired', 'a'),
      deadLetter(12, 'failed', 'b'),
      deadLetter(13, 'failed', 'a'),
      { ...deadLetter(14, 'malformed'), fields: ['event', 'x'] },
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

describe('removing', () => {
  it('deletes one letter, those that pass a filter, or all', async () => {
    const queue = newQueue();
    const { deadLetters } = queue;
    const letters = Array.from({ length: 600 }, (_, n) =>
      deadLetter(n + 1_000, n < 550 ? 'failed' : 'expired'),
    );
    await writeLetters(queue.name, letters);
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
    ['no filter', () => deadLetters.remove(undefined as never), 'must be { action, reason }, got undefined'],
    ['a list', () => deadLetters.retry([] as never), 'must be { action, reason }, got an array of 0'],
    [
      'a misspelt filter',
      () => deadLetters.remove({ reson: 'failed' } as never),
      'has no option "reson"; it has action, reason',
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
      await writeLetters(queue.name, [deadLetter(7)]);
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
