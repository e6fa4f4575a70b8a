import { Redis } from 'ioredis';
import { lastValueFrom, Subject, timeout, TimeoutError } from 'rxjs';
import { ConnectionError, ElkMqRecordBuilder, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { payloadsOf } from '../support/entries.js';
import {
  deadLettersOf,
  events,
  logs,
  moduleOf,
  requests,
  startApp,
  startClient,
  unsettled,
  valuesOf,
} from '../support/nest.js';
import { keysOf, killConnection, newQueueName, redis, rejection, until } from '../support/queue.js';

const echo = requests({ echo: (data: unknown) => data });

describe('a request', () => {
  it('made before the worker starts is answered when it comes', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const answers = [1, 2, 3].map((data) => lastValueFrom(client.send('echo', data)));
    await until(async () => (await unsettled(queue)) === 3);
    await startApp(moduleOf(echo), { queue });
    expect(await Promise.all(answers)).toEqual([1, 2, 3]);
  });

  it('of many made before the connection stands goes out as soon as it does', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue });
    const client = startClient({ queue, enqueueTimeout: 600_000 });
    const all = Array.from({ length: 100 }, (_, number) => number);
    expect(await Promise.all(all.map((data) => lastValueFrom(client.send('echo', data))))).toEqual(all);
  });

  it('gets its own answer, whichever of several clients makes it, and however many at once', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue });
    await startApp(moduleOf(echo), { queue });
    const ask = (name: string) => {
      const client = startClient({ queue });
      const texts = Array.from({ length: 200 }, (_, number) => `${name} ${String(number)}`);
      return texts.map(async (text) => expect(await lastValueFrom(client.send('echo', text))).toBe(text));
    };
    await Promise.all(['blue', 'green', 'red'].flatMap(ask));
  });

  it.each([
    ['', {}],
    [' in a bounded queue', { maxQueueLength: 100 }],
  ])(
    'made in one tick with events, some with headers, is answered, and they are handled%s',
    async (_where, bound) => {
      const queue = newQueueName();
      const client = startClient({ queue, ...bound });
      await client.connect();
      const blue = (data: number) => new ElkMqRecordBuilder(data).setHeaders({ tenant: 'blue' }).build();
      const emitted = [1, blue(2), 3].map((data) => lastValueFrom(client.emit('note', data)));
      const answers = [4, blue(5), 6].map((data) => lastValueFrom(client.send('echo', data)));
      await Promise.all(emitted);
      const noted: unknown[] = [];
      const note = (data: number, context: ElkMqContext) => noted.push([data, context.getHeaders()]);
      await startApp(moduleOf(echo, events({ note })), { queue });
      expect(await Promise.all(answers)).toEqual([4, 5, 6]);
      await until(() => noted.length === 3);
      expect(noted).toEqual([
        [1, {}],
        [2, { tenant: 'blue' }],
        [3, {}],
      ]);
    },
  );

  it('made in one tick with an event that fails is answered, and the event is a dead letter', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    await client.connect();
    const emitted = lastValueFrom(client.emit('note', 1));
    const answer = lastValueFrom(client.send('echo', 2));
    await emitted;
    const fail = () => {
      throw new Error('not today');
    };
    await startApp(moduleOf(echo, events({ note: fail })), { queue });
    expect(await answer).toBe(2);
    await until(async () => (await deadLettersOf(queue)).length === 1);
  });

  it('that nobody waits for any more is cancelled', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const kept = lastValueFrom(client.send('echo', 'kept'));
    const given = client.send('echo', 'given up').subscribe();
    await until(async () => (await unsettled(queue)) === 2);
    given.unsubscribe();
    await until(async () => (await unsettled(queue)) === 1);

    client.send('echo', 'given up before it was sent').subscribe().unsubscribe();
    expect(await rejection(lastValueFrom(client.send('echo', 'late').pipe(timeout(50))))).toBeInstanceOf(
      TimeoutError,
    );
    await until(async () => (await unsettled(queue)) === 1);

    const handled: unknown[] = [];
    await startApp(moduleOf(requests({ echo: (data) => handled.push(data) })), { queue });
    await kept;
    expect(handled).toEqual(['kept']);
  });

  it('that nobody waits for any more may be running: its late values are dropped and take no space', async () => {
    const queue = newQueueName();
    const prices = new Subject<number>();
    await startApp(moduleOf(requests({ prices: () => prices })), { queue });
    const client = startClient({ queue });
    const seen: number[] = [];
    const subscription = client.send<number>('prices', {}).subscribe((price) => seen.push(price));
    await until(() => prices.observed);
    prices.next(1);
    await until(() => seen.length === 1);
    subscription.unsubscribe();
    prices.next(2);
    prices.complete();
    await until(async () => (await unsettled(queue)) === 0);
    expect(seen).toEqual([1]);
    await client.close();
    const { '(cancelled)': mark, ...keys } = await keysOf(queue);
    expect(keys).toEqual({ '(event_stream)': 'stream', '(workers)': 'hash' });
    // It may have ended before its worker has asked; then the mark goes by itself.
    if (mark) expect(await redis.pttl(`${queue}(cancelled)`)).toBeGreaterThan(0);
  });
});

describe('a client', () => {
  it('tells whether it is connected, by status and by events', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const statuses: string[] = [];
    const events: string[] = [];
    client.status.subscribe((status) => statuses.push(status));
    for (const event of ['connected', 'reconnecting', 'disconnected'] as const) {
      client.on(event, () => events.push(event));
    }
    expect(statuses).toEqual([]);
    await client.connect();
    await killConnection(client.unwrap<Redis>());
    await until(() => statuses.length === 3);
    await client.close();
    expect(statuses).toEqual(['connected', 'reconnecting', 'connected', 'disconnected']);
    expect(events).toEqual(statuses);
  });

  it('tells once, by its error event and in the log, that Redis is away', async () => {
    const client = startClient({ queue: newQueueName(), url: 'redis://127.0.0.1:1', enqueueTimeout: 500 });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    const logged = () => logs.filter((line) => /ElkMqClient.*is not there \(connect ECONNREFUSED/.test(line));
    const before = logged().length;
    expect(await rejection(lastValueFrom(client.send('echo', 1)))).toBeInstanceOf(ConnectionError);
    await until(() => errors.length > 0);
    expect(errors).toMatchObject([{ code: 'ECONNREFUSED' }]);
    expect(logged()).toHaveLength(before + 1);
  });

  it('gives its ioredis client once it is connected', async () => {
    const client = startClient({ queue: newQueueName() });
    expect(() => client.unwrap()).toThrow('Not connected. Call "connect" first.');
    await client.connect();
    expect(await client.unwrap<Redis>().time()).toHaveLength(2);
    await client.close();
    expect(() => client.unwrap()).toThrow('Not connected. Call "connect" first.');
  });

  it('can be closed while the application goes on to emit', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    let isClosed = false;
    let emitted = 0;
    const emitOn = (): void => {
      client.emit('told', ++emitted);
      if (!isClosed) setImmediate(emitOn);
    };
    emitOn();
    await lastValueFrom(client.emit('told', 'first'));
    const before = emitted;
    await client.close();
    isClosed = true;
    expect(await payloadsOf(queue)).toEqual(
      expect.arrayContaining(Array.from({ length: before }, (_, n) => String(n + 1))),
    );
    await client.close();
  });

  it('needs no connect, connects again after a close, and can be closed twice, also before it was used', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue });
    const client = startClient({ queue });
    await client.close();
    expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
    await Promise.all([client.close(), client.close()]);
    expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
  });

  it('has no connection any more when a second close has ended, as after the first', async () => {
    const client = startClient({ queue: newQueueName() });
    await client.connect();
    const connection = client.unwrap<Redis>();
    const first = client.close();
    await client.close();
    expect(connection.status).toBe('end');
    await first;
  });
});
