import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ElkMqClient, ElkMqModule, InvalidOptionError, QueueAdmin, Topic } from 'nestjs-elkmq';
import {
  OutboxRelay,
  type OutboxMessage,
  type OutboxRelayOptions,
  type SendRows,
  type SentRows,
} from 'nestjs-elkmq/outbox';
import { describe, expect, it, vi } from 'vitest';
import { messageOf } from '../support/calls.js';
import { logs, startClient } from '../support/nest.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';

/** A table whose rows are deleted when they are sent. It has no transactions: test/system has a real one. */
class Table {
  rows: OutboxMessage<number>[] = [];
  /** What became of the rows of each transfer. */
  readonly results: SentRows<number>[] = [];
  /** Is thrown by each transfer, before rows are read. */
  error: Error | undefined;
  transfers = 0;

  readonly transfer = async (send: SendRows, limit: number): Promise<void> => {
    this.transfers++;
    if (this.error) throw this.error;
    const result = await send(this.rows.slice(0, limit));
    this.results.push(result);
    this.rows = this.rows.filter(({ id }) => !result.sent.includes(id));
  };
}

function row(id: number, more: Partial<OutboxMessage<number>> = {}): OutboxMessage<number> {
  return { id, pattern: 'placed', data: { id }, ...more };
}

const LONG = { interval: 600_000 };

function startRelay(options: Omit<OutboxRelayOptions, 'name'> & { name?: string }): OutboxRelay {
  const relay = closing(new OutboxRelay({ name: 'orders', interval: 5, ...options }));
  relay.start();
  return relay;
}

/** The payloads that wait in a queue, in their order. */
async function waitingIn(queue: string) {
  const admin = closing(new QueueAdmin(queue, url));
  const { messages } = await admin.messages('waiting', { limit: 1_000 });
  return messages;
}

const linesOf = (name: string): string[] => logs.filter((line) => line.includes(`'${name}'`));

describe('OutboxRelay', () => {
  it('sends rows with their pattern, payload, headers and key', async () => {
    const queue = newQueueName();
    const table = new Table();
    table.rows = [
      row(1, { pattern: { cmd: 'place' }, headers: { tenant: 'a' } }),
      row(2, { headers: null, orderingKey: null }),
      row(3, { orderingKey: 'k' }),
    ];
    startRelay({ client: startClient({ queue }), transfer: table.transfer });
    await until(() => table.rows.length === 0);
    const messages = await waitingIn(queue);
    expect(messages.map(({ event, payload }) => [event?.action, payload])).toEqual([
      ['{"cmd":"place"}', { id: 1 }],
      ['placed', { id: 2 }],
      ['placed', { id: 3 }],
    ]);
    expect(messages[0]?.headers).toEqual({ tenant: 'a' });
    expect(messages.map(({ orderingKey }) => orderingKey)).toEqual([undefined, undefined, 'k']);
  });

  it('looks again at once while a look brings as many rows as it may', async () => {
    const queue = newQueueName();
    const table = new Table();
    table.rows = Array.from({ length: 25 }, (_, id) => row(id));
    startRelay({ client: startClient({ queue }), transfer: table.transfer, limit: 10, ...LONG });
    await until(() => table.rows.length === 0);
    expect(table.results.map(({ sent }) => sent.length)).toEqual([10, 10, 5]);
  });

  it('looks at once when it is woken, also while it looks', async () => {
    const queue = newQueueName();
    const table = new Table();
    const relay = startRelay({ client: startClient({ queue }), transfer: table.transfer, ...LONG });
    await until(() => table.transfers === 1);
    table.rows = [row(1)];
    relay.wake();
    await until(() => table.transfers === 2);
    relay.wake();
    await until(() => table.transfers === 3);
    expect(table.rows).toEqual([]);
  });

  it('stores a row once that comes again, for each name of an outbox', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    for (const name of ['orders', 'orders', 'bills']) {
      const table = new Table();
      table.rows = [row(1)];
      const relay = startRelay({ name, client, transfer: table.transfer });
      await until(() => table.rows.length === 0);
      await relay.close();
    }
    expect(await waitingIn(queue)).toHaveLength(2);
  });

  it('publishes rows to a topic', async () => {
    const name = newQueueName();
    const topic = closing(new Topic(name, url));
    await topic.subscribe('mail', { patterns: ['placed'] });
    const client = closing(new ElkMqClient({ topic: name, url }));
    const table = new Table();
    table.rows = [row(1)];
    startRelay({ client, transfer: table.transfer });
    await until(() => table.rows.length === 0);
    expect((await client.state()).waiting).toBe(1);
  });

  it('names a row that can never be sent, once; it holds those behind it that have its key', async () => {
    const queue = newQueueName();
    const name = `refused ${queue}`;
    const table = new Table();
    table.rows = [
      row(1, { data: 'x'.repeat(2_000), orderingKey: 'k' }),
      row(2, { orderingKey: 'k' }),
      row(3, { data: null }),
      row(4, { orderingKey: 'k'.repeat(300) }),
      row(5),
      row(6, { pattern: null as never }),
    ];
    const client = startClient({ queue, maxPayloadBytes: 1_000 });
    startRelay({ name, client, transfer: table.transfer });
    await until(() => table.transfers > 3);
    expect(table.rows.map(({ id }) => id)).toEqual([1, 2, 3, 4, 6]);
    expect(table.results[0]?.sent).toEqual([5]);
    expect(table.results[0]?.refused.map(({ id }) => id).sort()).toEqual([1, 3, 4, 6]);
    expect(linesOf(name).sort()).toEqual([
      expect.stringMatching(
        /^error \[OutboxRelay\].*keeps row 1, which can never be sent: PayloadTooLargeError: .*Change it/,
      ),
      expect.stringMatching(
        /keeps row 3, which .*: InvalidEventError: the data of an event must not be null/,
      ),
      expect.stringMatching(/keeps row 4, which .*: InvalidOptionError: orderingKey must/),
      expect.stringMatching(/keeps row 6, which .*: InvalidEventError: the pattern of an event must not be/),
    ]);
    table.rows = table.rows.filter(({ id }) => id !== 1);
    await until(() => table.rows.every(({ id }) => id !== 2));
  });

  it('says that rows behind a full look of refused ones are not reached', async () => {
    const queue = newQueueName();
    const name = `stuck ${queue}`;
    const table = new Table();
    table.rows = [row(1, { data: null }), row(2, { data: null }), row(3)];
    startRelay({ name, client: startClient({ queue }), transfer: table.transfer, limit: 2 });
    await until(() => linesOf(name).length === 3);
    expect(linesOf(name)[2]).toContain('none of the 2 rows of a look can be sent, so those behind them wait');
    table.rows = table.rows.slice(1);
    await until(() => table.rows.length === 1);
    await until(() => linesOf(name).some((line) => line.endsWith('goes on')));
  });

  it('keeps rows that Redis refuses now, and says so once', async () => {
    const queue = newQueueName();
    const name = `full ${queue}`;
    const table = new Table();
    table.rows = [row(1), row(2)];
    const client = startClient({ queue, maxQueueLength: 1 });
    startRelay({ name, client, transfer: table.transfer });
    await until(() => table.transfers > 3);
    expect(table.rows).toHaveLength(1);
    expect(linesOf(name)).toEqual([
      expect.stringMatching(/^error .* tries again every 5 ms: rows cannot be sent: QueueFullError: /),
    ]);
    await redis.del(`${queue}(event_stream)`);
    await until(() => table.rows.length === 0);
    await until(() => linesOf(name).length === 2);
    expect(linesOf(name)[1]).toBe(`log [OutboxRelay] The outbox '${name}' goes on`);
  });

  it('goes on after a transfer that has failed, and says so once', async () => {
    const queue = newQueueName();
    const name = `failing ${queue}`;
    const table = new Table();
    table.rows = [row(1)];
    table.error = new RangeError('no database');
    startRelay({ name, client: startClient({ queue }), transfer: table.transfer });
    await until(() => table.transfers > 3);
    table.error = undefined;
    await until(() => linesOf(name).length === 2);
    expect(linesOf(name)).toEqual([
      `error [OutboxRelay] The outbox '${name}' tries again every 5 ms: the transfer of rows has failed: RangeError: no database`,
      `log [OutboxRelay] The outbox '${name}' goes on`,
    ]);
    expect(table.rows).toEqual([]);
  });

  it('says each reason of an outage once, when they come in turns', async () => {
    const queue = newQueueName();
    const name = `in turns ${queue}`;
    const table = new Table();
    const refused = new RangeError('connect ECONNREFUSED ::1:5432');
    // Node has such an error when a name has several addresses.
    const errors = [new AggregateError([refused]), new RangeError('the database starts'), undefined];
    let transfers = 0;
    const transfer = (send: SendRows, limit: number): Promise<void> => {
      table.error = errors[transfers < 6 ? transfers % 2 : 2];
      transfers++;
      return table.transfer(send, limit);
    };
    startRelay({ name, client: startClient({ queue }), transfer });
    await until(() => linesOf(name).some((line) => line.startsWith('log')));
    const failed = `error [OutboxRelay] The outbox '${name}' tries again every 5 ms: the transfer of rows has failed`;
    expect(linesOf(name)).toEqual([
      `${failed}: AggregateError: connect ECONNREFUSED ::1:5432`,
      `${failed}: RangeError: the database starts`,
      `log [OutboxRelay] The outbox '${name}' goes on`,
    ]);
  });

  it('names a row once that can never be sent, also while transfers fail', async () => {
    const queue = newQueueName();
    const name = `not deleted ${queue}`;
    let transfers = 0;
    const transfer = async (send: SendRows): Promise<void> => {
      await send([row(1, { data: null })]);
      transfers++;
      throw new RangeError('no right to delete');
    };
    startRelay({ name, client: startClient({ queue }), transfer });
    await until(() => transfers > 3);
    expect(linesOf(name)).toEqual([
      expect.stringContaining('keeps row 1'),
      expect.stringContaining('no right to delete'),
    ]);
  });

  it('says so when rows come again that were sent', async () => {
    const queue = newQueueName();
    const name = `kept ${queue}`;
    const transfer = async (send: SendRows): Promise<void> => {
      await send([row(7)]);
    };
    startRelay({ name, client: startClient({ queue }), transfer, limit: 1 });
    await until(() => linesOf(name).length === 1);
    expect(linesOf(name)[0]).toContain('row 7 came again after it was sent: transfer must delete such rows');
  });

  it.each([
    ['rows', 'send must get an array of rows, got "rows"'],
    [[{ pattern: 'placed', data: 1 }], 'the id of a row must be a text, a whole number'],
    [[{ id: 1.5, pattern: 'placed', data: 1 }], 'got 1.5'],
  ])('refuses to send %j', async (rows, expected) => {
    let error: unknown;
    const transfer = async (send: SendRows): Promise<void> => {
      await send(rows as never).catch((thrown: unknown) => (error = thrown));
    };
    startRelay({ client: startClient({ queue: newQueueName() }), transfer });
    await until(() => error !== undefined);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect((error as Error).message).toContain(expected);
  });

  it('keeps its process alive until it is closed', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const table = new Table();
    table.error = new RangeError('no database');
    const interval = 654_321;
    const relay = startRelay({
      client: startClient({ queue: newQueueName() }),
      transfer: table.transfer,
      interval,
    });
    const next = () => timers.mock.results[timers.mock.calls.findIndex(([, ms]) => Number(ms) > 600_000)];
    await until(() => next() !== undefined);
    const timer = next()?.value as NodeJS.Timeout;
    expect(timer.hasRef()).toBe(true);
    const cleared = vi.spyOn(globalThis, 'clearTimeout');
    await relay.close();
    expect(cleared).toHaveBeenCalledWith(timer);
    vi.restoreAllMocks();
  });

  it('closes when the transfer under way has ended, and looks no more', async () => {
    const queue = newQueueName();
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    let transfers = 0;
    const transfer = async (): Promise<void> => {
      transfers++;
      await held;
    };
    const relay = startRelay({ client: startClient({ queue }), transfer, interval: 1 });
    await until(() => transfers === 1);
    let isClosed = false;
    const closed = relay.close().then(() => (isClosed = true));
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    finish();
    await closed;
    relay.wake();
    await new Promise(setImmediate);
    expect(transfers).toBe(1);
  });

  it('starts and ends with its application, before the client is closed', async () => {
    const queue = newQueueName();
    const name = `provided ${queue}`;
    const table = new Table();
    let started = (): void => undefined;
    let finish = (): void => undefined;
    const isStarted = new Promise<void>((resolve) => (started = resolve));
    const held = new Promise<void>((resolve) => (finish = resolve));
    const transfer = async (send: SendRows, limit: number): Promise<void> => {
      started();
      await held;
      await table.transfer(send, limit);
    };
    table.rows = [row(1)];
    @Module({
      imports: [ElkMqModule.register([{ name: 'ORDERS', queue, url }])],
      providers: [
        {
          provide: OutboxRelay,
          useFactory: (client: ElkMqClient) => new OutboxRelay({ name, client, transfer }),
          inject: ['ORDERS'],
        },
      ],
    })
    class App {}
    const app = await NestFactory.createApplicationContext(App);
    await app.init();
    await isStarted;
    const closed = app.close();
    finish();
    await closed;
    expect(table.rows).toEqual([]);
    expect(linesOf(name)).toEqual([]);
    expect(await waitingIn(queue)).toHaveLength(1);
  });

  const client = { emit: () => undefined };
  const transfer = (): Promise<void> => Promise.resolve();
  it.each([
    [{ client, transfer }, 'name must have 1 to 64 characters and no colon, got undefined'],
    [{ name: 'a:b', client, transfer }, 'and no colon, got "a:b"'],
    [{ name: 'n'.repeat(65), client, transfer }, 'name must have 1 to 64 characters and no colon, got "nnn'],
    [{ name: 'n', client: {}, transfer }, 'client must be an ElkMqClient, got an object'],
    [{ name: 'n', client }, 'transfer must be a function, got undefined'],
    [{ name: 'n', client, transfer, limit: 0 }, 'limit must be a whole number from 1 to 10000, got 0'],
    [{ name: 'n', client, transfer, interval: '1s' }, 'interval must be a number of milliseconds'],
    [{ name: 'n', client, transfer, window: -1 }, 'window must be a number of milliseconds'],
    [{ name: 'n', client, transfer, read: 1 }, 'OutboxRelay has no option "read"; it has client, interval'],
  ])('refuses the options %o', (options, expected) => {
    const make = () => new OutboxRelay(options as unknown as OutboxRelayOptions);
    expect(messageOf('INVALID_OPTION', make)).toContain(expected);
  });
});
