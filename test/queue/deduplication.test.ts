import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { lastValueFrom, of, range, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../support/calls.js';
import { keyed, waitersOf } from '../support/deduplication.js';
import { eventsOf, payloadsOf } from '../support/entries.js';
import { events, moduleOf, requests, startApp, startClient, told, valuesOf } from '../support/nest.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, until, url } from '../support/queue.js';

const STORING = /evalsha.*\(producer\)/is;

function emitted(source: ReturnType<ReturnType<typeof startClient>['emit']>): Promise<unknown> {
  return lastValueFrom(source, { defaultValue: undefined });
}

/** An app whose handlers of `ask` and `again` answer what `answer` does, and count. */
async function counting(queue: string, answer: (data: unknown, call: number) => unknown) {
  const calls: unknown[] = [];
  const ask = (data: unknown) => answer(data, calls.push(data));
  const app = await startApp(moduleOf(requests({ ask })), { queue });
  return { app, calls };
}

describe('an event with a deduplication key', () => {
  it('is stored once within its window, whoever emits it', async () => {
    const queue = newQueueName();
    const [one, other] = [startClient({ queue }), startClient({ queue })];
    for (const client of [one, one, other]) await emitted(client.emit('note', keyed('first')));
    await Promise.all([one, one, other].map((client) => emitted(client.emit('note', keyed('second', 'b')))));
    await emitted(one.emit('note', 'plain'));
    expect(await payloadsOf(queue)).toEqual(['"first"', '"second"', '"plain"']);
  });

  it('is stored again when the window is over', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await client.connect();
    // In one call, so within the window also on a busy machine.
    await Promise.all([1, 2].map((data) => emitted(client.emit('note', keyed(data, 'key', 40)))));
    await until(async () => (await redis.exists(`${queue}(deduplication):event:key`)) === 0);
    await emitted(client.emit('note', keyed(3, 'key', 40)));
    expect(await payloadsOf(queue)).toEqual(['1', '3']);
  });

  it('does not stand for a request with the same key', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await emitted(client.emit('note', keyed(1)));
    const asked = lastValueFrom(client.send('ask', keyed(2)));
    await counting(queue, (data) => data);
    expect(await asked).toBe(2);
  });

  it('is stored once among others of its batch, each of which is stored', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const notes = ['a', keyed('b', 'x'), 'c', keyed('d', 'x'), keyed('e', 'y'), 'f'];
    await Promise.all(notes.map((note) => emitted(client.emit('note', note))));
    expect(await payloadsOf(queue)).toEqual(['"a"', '"b"', '"c"', '"e"', '"f"']);
  });

  it('is stored once while the first one is delayed', async () => {
    const queue = newQueueName();
    const seen: unknown[] = [];
    await startApp(moduleOf(events({ note: (data) => seen.push(data) })), { queue });
    const client = startClient({ queue });
    const later = new ElkMqRecordBuilder('later').setDelay(60).setDeduplicationKey('key').build();
    await emitted(client.emit('note', later));
    await emitted(client.emit('note', keyed('too many')));
    await until(() => seen.length > 0);
    await emitted(client.emit('note', 'last'));
    await until(() => seen.includes('last'));
    expect(seen).toEqual(['later', 'last']);
  });
});

describe('a request with a deduplication key is handled once, and answered to all', () => {
  it('while it is being handled, and after', async () => {
    const queue = newQueueName();
    const answer = new Subject<string>();
    const { calls } = await counting(queue, () => answer);
    const [one, other] = [startClient({ queue }), startClient({ queue })];
    const early = [one, other, one].map((client) => told(client.send('ask', keyed('x'))));
    await until(async () => calls.length === 1 && (await waitersOf(queue)) === 3);
    answer.next('a');
    await until(async () => (await redis.hget(`${queue}(deduplication):request:key`, 'count')) === '1');
    early.push(told(other.send('ask', keyed('y'))));
    await until(async () => (await waitersOf(queue)) === 4);
    answer.next('b');
    answer.complete();
    const all = await Promise.all(early);
    all.push(
      await told(one.send('ask', keyed('z'))),
      await told(startClient({ queue }).send('ask', keyed('z'))),
    );
    for (const notifications of all) {
      expect(notifications).toMatchObject([{ value: 'a' }, { value: 'b' }, { kind: 'C' }]);
    }
    expect(calls).toEqual(['x']);
  });

  it('when its handler fails', async () => {
    const queue = newQueueName();
    const { calls } = await counting(queue, () => throwError(() => new Error('no')));
    const client = startClient({ queue });
    const first = await told(client.send('ask', keyed(1)));
    expect(first).toMatchObject([{ kind: 'E', error: { status: 'error' } }]);
    expect(await told(startClient({ queue }).send('ask', keyed(1)))).toEqual(first);
    expect(calls).toHaveLength(1);
  });

  it('when both are sent together', async () => {
    const queue = newQueueName();
    const { calls } = await counting(queue, (data) => data);
    const client = startClient({ queue });
    const both = ['a', 'b'].map((data) => lastValueFrom(client.send('ask', keyed(data))));
    expect(await Promise.all(both)).toEqual(['a', 'a']);
    expect(calls).toEqual(['a']);
  });

  it('with more values than one message of Redis holds', async () => {
    const queue = newQueueName();
    await counting(queue, () => range(0, 2_500));
    const client = startClient({ queue });
    const values = await valuesOf(client.send('ask', keyed(1)));
    expect(values).toHaveLength(2_500);
    expect(await valuesOf(client.send('ask', keyed(1)))).toEqual(values);
  });

  it('with no value at all', async () => {
    const queue = newQueueName();
    const { calls } = await counting(queue, () => of());
    const client = startClient({ queue });
    for (let i = 0; i < 2; i++)
      expect(await told(client.send('ask', keyed(1)))).toMatchObject([{ kind: 'C' }]);
    expect(calls).toHaveLength(1);
  });

  it('while the first one is delayed', async () => {
    const queue = newQueueName();
    const { calls } = await counting(queue, (data) => data);
    const [one, other] = [startClient({ queue }), startClient({ queue })];
    const later = new ElkMqRecordBuilder('later').setDelay(80).setDeduplicationKey('key').build();
    const first = lastValueFrom(one.send('ask', later));
    await until(async () => (await redis.exists(`${queue}(deduplication):request:key`)) === 1);
    expect(await lastValueFrom(other.send('ask', keyed('now')))).toBe('later');
    expect(await first).toBe('later');
    expect(calls).toEqual(['later']);
  });

  it('and again after the window, but not while the first one is still being handled', async () => {
    const queue = newQueueName();
    const answer = new Subject<string>();
    const { calls } = await counting(queue, (data, call) => (call === 1 ? answer : data));
    const client = startClient({ queue });
    const first = lastValueFrom(client.send('ask', keyed('x', 'key', 1)));
    await until(() => calls.length === 1);
    const second = lastValueFrom(client.send('ask', keyed('y', 'key', 1)));
    await until(async () => (await waitersOf(queue)) === 2);
    answer.next('first');
    answer.complete();
    expect(await Promise.all([first, second])).toEqual(['first', 'first']);
    await until(async () => (await redis.exists(`${queue}(deduplication):request:key`)) === 0);
    expect(await lastValueFrom(client.send('ask', keyed('z', 'key', 1)))).toBe('z');
  });
});

describe('a message with a deduplication key whose batch is sent again', () => {
  it('is no duplicate of itself', async () => {
    const queue = newQueueName();
    const proxy = closing(await Proxy.before(url));
    const client = startClient({ queue, url: proxy.url });
    proxy.loseAnswers(STORING);
    await emitted(client.emit('note', keyed('event')));
    expect(await payloadsOf(queue)).toEqual(['"event"']);
    await redis.del(`${queue}(event_stream)`);

    proxy.loseAnswers(STORING);
    const asked = told(client.send('ask', keyed('request')));
    await until(() => proxy.lost === 2);
    await until(async () => (await waitersOf(queue)) === 1);
    await emitted(client.emit('note', 'after'));
    expect(await waitersOf(queue)).toBe(1);
    const { calls } = await counting(queue, (data) => data);
    expect(await asked).toMatchObject([{ value: 'request' }, { kind: 'C' }]);
    expect(calls).toEqual(['request']);
  });

  it('is a duplicate of an earlier one all the same', async () => {
    const queue = newQueueName();
    const proxy = closing(await Proxy.before(url));
    const client = startClient({ queue, url: proxy.url });
    const { calls } = await counting(queue, (data) => data);
    expect(await lastValueFrom(client.send('ask', keyed(1)))).toBe(1);
    proxy.loseAnswers(STORING);
    expect(await told(client.send('ask', keyed(2)))).toMatchObject([{ value: 1 }, { kind: 'C' }]);
    expect(calls).toEqual([1]);
  });
});

describe('what deduplication keeps in Redis', () => {
  it('has a TTL, and is gone after the window', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await counting(queue, (data) => data);
    await emitted(client.emit('ask', keyed(1, 'key', 300_000)));
    await lastValueFrom(client.send('ask', keyed(1, 'key', 300_000)));
    const kept = Object.keys(await keysOf(queue)).filter((key) => key.startsWith('(deduplication)'));
    expect(kept).toEqual(['(deduplication):event:key', '(deduplication):request:key']);
    for (const key of kept) {
      const left = await redis.pttl(queue + key);
      expect(left).toBeGreaterThan(0);
      // The window ends at a whole millisecond: its time is rounded up.
      expect(left).toBeLessThanOrEqual(300_001);
    }
    await emitted(client.emit('ask', keyed(1, 'short', 10)));
    await lastValueFrom(client.send('ask', keyed(1, 'short', 10)));
    const short = kept.map((key) => queue + key.replace(/key$/, 'short'));
    await until(async () => (await redis.exists(...short)) === 0);
  });

  it('lasts for as long as somebody waits, and not for ever', async () => {
    const queue = newQueueName();
    const client = startClient({ queue, timeout: 5_000 });
    const record = `${queue}(deduplication):request:key`;
    const calls = [client.send('ask', keyed(1, 'key', 10)).subscribe({ error: () => undefined })];
    await until(async () => (await redis.exists(record)) === 1);
    const first = await redis.pttl(record);
    expect(first).toBeGreaterThan(5_000);
    const longer = new ElkMqRecordBuilder(1).setDeduplicationKey('key').setTimeout(300_000).build();
    calls.push(client.send('ask', longer).subscribe({ error: () => undefined }));
    await until(async () => (await redis.pttl(record)) > 300_000);
    expect(await eventsOf(queue)).toHaveLength(1);
    for (const call of calls) call.unsubscribe();
  });
});

describe('a deduplication key', () => {
  it.each([[''], ['x'.repeat(257)], [1], [undefined], ['lone \ud800']])('must not be %j', (key) => {
    const message = messageOf('INVALID_OPTION', () =>
      new ElkMqRecordBuilder(1).setDeduplicationKey(key as string),
    );
    expect(message).toMatch(/^key must be a string of 1 to 256 characters of well-formed Unicode, got /);
  });

  it.each([[0], [-1], [NaN], ['1'], [3_000_000_000]])('must not have a window of %j', (window) => {
    const set = () => new ElkMqRecordBuilder(1).setDeduplicationKey('key', window as number);
    expect(messageOf('INVALID_OPTION', set)).toMatch(/^window must be a number of milliseconds from 1 to /);
  });

  it('is any other text', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const keys = ['ä'.repeat(256), ' ', 'a;b 1;2', '"', '{x}', '\n'];
    for (const key of [...keys, ...keys]) await emitted(client.emit('note', keyed(key, key)));
    expect(await payloadsOf(queue)).toEqual(keys.map((key) => JSON.stringify(key)));
  });
});
