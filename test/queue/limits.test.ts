import { concat, finalize, interval, lastValueFrom, map, of, range, throwError, timer } from 'rxjs';
import { JsonDumpError, PayloadTooLargeError } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, logs, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, told, unsettled, valuesOf } from '../support/nest.js';
import { newQueueName, redis, rejection, until } from '../support/queue.js';

const echo = (data: unknown) => data;

function cyclic(): object {
  const it: { self?: object } = {};
  it.self = it;
  return it;
}

function refuse(): never {
  throw new Error('not for you');
}

describe('large answers', () => {
  it.each([
    ['at once', () => range(0, 10_000)],
    ['in lots', () => concat(range(0, 5_000), timer(20).pipe(map(() => 5_000)), range(5_001, 4_999))],
  ])('of 10,000 values that come %s arrive complete and in order', async (_how, count) => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ count })), { queue });
    const values = await valuesOf(startClient({ queue }).send('count', {}));
    expect(values).toEqual(Array.from({ length: 10_000 }, (_, number) => number));
  });

  it('of many values of 100 kB each, for several callers at once, arrive complete and in order', async () => {
    const queue = newQueueName();
    const text = 'x'.repeat(100_000);
    const texts = () => range(0, 50).pipe(map((number) => `${String(number)} ${text}`));
    await startApp(moduleOf(requests({ texts })), { queue });
    const client = startClient({ queue });
    const all = await Promise.all([1, 2, 3].map(() => valuesOf<string>(client.send('texts', {}))));
    for (const values of all) {
      expect(values.map((value) => Number.parseInt(value))).toEqual(Array.from({ length: 50 }, (_, n) => n));
      expect(values.every((value) => value.length > text.length)).toBe(true);
    }
  });

  it('of 1 MiB go both ways, text of several bytes a character too', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo })), { queue });
    const client = startClient({ queue });
    for (const text of ['x'.repeat(1024 * 1024), '📦\n"'.repeat(180_000)]) {
      expect(await lastValueFrom(client.send('echo', { text }))).toEqual({ text });
    }
  });
});

describe('what is too large', () => {
  it('as a payload is refused before anything is sent, and what just fits is not', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo })), { queue });
    const client = startClient({ queue, maxPayloadBytes: 1_000 });
    for (const call of [client.send('echo', 'ä'.repeat(500)), client.emit('echo', 'ä'.repeat(500))]) {
      const error = await rejection(lastValueFrom(call));
      expect(error).toBeInstanceOf(PayloadTooLargeError);
      expect(error).toMatchObject({
        message: "the payload of 'echo' has 1002 bytes; maxPayloadBytes is 1000",
      });
    }
    expect(await redis.xinfo('STREAM', `${queue}(event_stream)`)).toContain('0-0'); // nothing was ever added
    const fits = 'ä'.repeat(499);
    expect(await lastValueFrom(client.send('echo', fits))).toBe(fits);
  });

  it('as an answer is told to the caller and logged; values before it arrive', async () => {
    const queue = newQueueName();
    const texts = () => of('small', 'x'.repeat(2_000), 'small');
    await startApp(moduleOf(requests({ texts, echo })), { queue, maxPayloadBytes: 1_000 });
    const client = startClient({ queue });
    const message = "the response to 'texts' has 2015 bytes; maxPayloadBytes is 1000";
    expect(await told(client.send('texts', {}))).toMatchObject([
      { kind: 'N', value: 'small' },
      { kind: 'E', error: { status: 'error', message } },
    ]);
    expect(logs).toContainEqual(expect.stringContaining(message));
    expect(await lastValueFrom(client.send('echo', 'goes on'))).toBe('goes on');
  });
});

describe('what JSON cannot say', () => {
  it.each([
    ['a cycle', cyclic(), 'circular'],
    ['a BigInt', { id: 10n }, 'BigInt'],
    ['a function', () => 1, 'it is a function'],
    ['a symbol', Symbol('x'), 'it is Symbol(x)'],
    ['a lone surrogate in plain text', undefined, 'lone surrogate'],
  ])('as a payload is refused: %s', async (_what, data, why) => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo })), { queue });
    const serializer = { serialize: () => 'lone \ud800' };
    const client = startClient({ queue, ...(data === undefined && { serializer }) });
    for (const call of [client.send('echo', data ?? {}), client.emit('echo', data ?? {})]) {
      const error = (await rejection(lastValueFrom(call))) as Error;
      if (data !== undefined) expect(error).toBeInstanceOf(JsonDumpError);
      expect(error.message).toContain(why);
    }
    expect(await unsettled(queue)).toBe(0);
    if (data !== undefined) expect(await lastValueFrom(client.send('echo', 1))).toBe(1);
  });

  it.each([
    ['a cycle', cyclic, 'circular'],
    ['a BigInt', () => ({ id: 10n }), 'BigInt'],
    ['a cycle after values', () => of(1, cyclic(), 3), 'circular'],
    ['an object whose toJSON throws', () => ({ toJSON: refuse }), 'not for you'],
  ])('as an answer is told to the caller: %s', async (_what, handler, why) => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ handler, echo })), { queue, concurrency: 1 });
    const client = startClient({ queue });
    expect((await told(client.send('handler', {}))).at(-1)).toMatchObject({
      kind: 'E',
      error: { status: 'error', message: expect.stringContaining(why) as unknown },
    });
    expect(await lastValueFrom(client.send('echo', 'goes on'))).toBe('goes on');
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('as one of the values of a handler ends its Observable', async () => {
    const queue = newQueueName();
    let isOver = false;
    const count = () =>
      interval(10).pipe(
        map((n) => (n === 2 ? cyclic() : n)),
        finalize(() => (isOver = true)),
      );
    await startApp(moduleOf(requests({ count })), { queue });
    expect(await told(startClient({ queue }).send('count', {}))).toMatchObject([
      { value: 0 },
      { value: 1 },
      { kind: 'E' },
    ]);
    await until(() => isOver);
  });

  it.each([
    ['an error', Object.assign(new Error('a cycle'), { self: cyclic() })],
    ['an object', cyclic()],
    ['a BigInt', { id: 10n }],
    ['a function', echo],
    ['nothing', undefined],
  ])('as the error of an event: it becomes a dead letter all the same: %s', async (_what, error) => {
    const queue = newQueueName();
    const deserializer = { deserialize: () => lastValueFrom(throwError(() => error)) };
    await startApp(moduleOf(events({ note: echo })), { queue, deserializer, concurrency: 1 });
    const client = startClient({ queue });
    await Promise.all([client.emit('note', {}), client.emit('note', {})].map((note) => told(note)));
    await until(async () => (await unsettled(queue)) === 0);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'failed' }, { reason: 'failed' }]);
  });
});
