import { ElkMqRecordBuilder, type DeadLetter } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, eventsOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { startClient, unsettled } from '../support/nest.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { deadLetter, lettersOf, startFailing, writeLetters } from '../support/dead-letters.js';

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

  it('gives a delayed message that was due long ago its whole time again', async () => {
    const queue = newQueue();
    const letter = deadLetter(7);
    await writeLetters(queue.name, [{ ...letter, fields: [...letter.fields, 'due', '1'] }]);
    const state = await startFailing(queue.name);
    state.fails = false;
    expect(await queue.deadLetters.retry({})).toBe(1);
    await until(async () => (await unsettled(queue.name)) === 0);
    expect(state.attempts).toEqual([1]);
  });

  it('gives a message that has expired its whole time again, and nobody a reply', async () => {
    const queue = newQueue();
    const { origin, ...letter } = deadLetter(7, 'exhausted');
    const fields = [...letter.fields.slice(0, 2), 'reply_to', 'gone', 'headers', '{"a":"b"}'];
    fields.push('origin', '1-1', 'attempt', '5');
    await writeLetters(queue.name, [{ ...letter, origin, fields }]);
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
    expect(letter?.fields).toEqual(['reply_to', '']);
  });

  it('takes those that pass the filter, in the order in which they died', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 1_300 }, (_, n) =>
      deadLetter(n + 1_000, n % 13 === 0 ? 'expired' : 'failed'),
    );
    await writeLetters(queue.name, letters);
    expect(await queue.deadLetters.retry({ reason: 'failed' })).toBe(1_200);
    const revived = (await eventsOf(queue.name)).map(({ fields }) => fields[1]);
    expect(revived).toEqual(letters.filter(({ reason }) => reason === 'failed').map((l) => l.fields[1]));
    expect(await queue.deadLetters.count()).toBe(100);
    expect(await queue.deadLetters.count({ reason: 'failed' })).toBe(0);
  });

  it('by several at once puts each message back once', async () => {
    const name = newQueueName();
    const letters = Array.from({ length: 700 }, (_, n) => deadLetter(n + 1_000));
    await writeLetters(name, letters);
    const counts = await Promise.all([1, 2, 3, 4].map(() => newQueue(name).deadLetters.retry({})));
    expect(counts.reduce((sum, count) => sum + count)).toBe(700);
    expect(await redis.xlen(`${name}(event_stream)`)).toBe(700);
    expect(await newQueue(name).deadLetters.retry(letters[0]?.origin ?? '')).toBe(0);
  });

  it('puts each message back once, when the answer of Redis is lost', async () => {
    const proxy = closing(await Proxy.before(url));
    const queue = newQueue(newQueueName(), proxy.url);
    const letter = deadLetter(10);
    await writeLetters(queue.name, [letter, deadLetter(11)]);
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
    await writeLetters(queue.name, [deadLetter(10)]);
    await redis.set(`${queue.name}(event_stream)`, 'not a stream');
    expect(await rejection(queue.deadLetters.retry({}))).toMatchObject({ code: 'ENQUEUE_FAILED' });
    expect(await queue.deadLetters.count()).toBe(1);
  });
});
