import { runInNewContext } from 'node:vm';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { ElkMqClient, ElkMqContext, ElkMqRecord, ElkMqRecordBuilder, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../support/calls.js';
import { moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, redis, rejection } from '../support/queue.js';

const echo = requests({ echo: (data: unknown) => data });

describe('data arrives as JSON has it', () => {
  const date = new Date(0);
  it.each([
    ['text', 'book', 'book'],
    ['text that is JSON', '{"a":1}', '{"a":1}'],
    ['an empty text', '', ''],
    ['any Unicode', 'päckchen 📦 \u0000 \u2028', 'päckchen 📦 \u0000 \u2028'],
    ['zero', 0, 0],
    ['false', false, false],
    ['a fraction', 0.1, 0.1],
    ['an array', [1, [2], null], [1, [2], null]],
    ['an object', { a: { b: [] }, '': 1 }, { a: { b: [] }, '': 1 }],
    ['an object without undefined members', { a: undefined, b: 1 }, { b: 1 }],
    [
      'an object that looks like a packet',
      { response: 1, isDisposed: true },
      { response: 1, isDisposed: true },
    ],
    ['an object that looks like a failure', { err: 'no' }, { err: 'no' }],
    ['an object that looks like a record', { data: 1, headers: {} }, { data: 1, headers: {} }],
    ['what toJSON says', { date }, { date: date.toISOString() }],
    ['a Buffer', Buffer.from('ab'), { type: 'Buffer', data: [97, 98] }],
    ['no number', NaN, null],
  ])('%s', async (_what, data, arrived) => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue });
    expect(await lastValueFrom(startClient({ queue }).send('echo', data))).toEqual(arrived);
  });

  it('null, in a record', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(echo), { queue });
    const record = new ElkMqRecordBuilder(null).build();
    expect(await lastValueFrom(startClient({ queue }).send('echo', record))).toBeNull();
  });

  it('null and undefined are refused, as on every transport of Nest', async () => {
    const client = startClient({ queue: newQueueName() });
    for (const data of [null, undefined]) {
      expect(await rejection(lastValueFrom(client.send('echo', data)))).toHaveProperty(
        'message',
        'The invalid data or message pattern (undefined/null)',
      );
    }
  });
});

@Controller()
class Describer {
  @MessagePattern('describe')
  describe(@Payload() data: unknown, @Ctx() context: ElkMqContext): object {
    return {
      data,
      pattern: context.getPattern(),
      queue: context.getQueue(),
      timestamp: context.getTimestamp(),
      lifetime: context.getDeadline() - context.getTimestamp(),
      attempt: context.getAttempt(),
      headers: context.getHeaders(),
      metadata: context.getMetadata(),
      event: context.getEvent() instanceof ServiceEvent && context.getEvent().payload,
      args: context.getArgs().length,
    };
  }
}

describe('the context', () => {
  it('tells what is known of the message', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(Describer), { queue });
    const [seconds] = await redis.time();
    const told: Record<string, unknown> = await lastValueFrom(
      startClient({ queue }).send('describe', { id: 1 }),
    );
    expect(told).toEqual({
      data: { id: 1 },
      pattern: 'describe',
      queue,
      timestamp: expect.any(Number) as unknown,
      lifetime: 30_000,
      attempt: 1,
      headers: {},
      metadata: {},
      event: '{"id":1}',
      args: 2,
    });
    expect(told['timestamp']).toBeGreaterThanOrEqual(Number(seconds) * 1_000);
    const [after] = await redis.time();
    expect(told['timestamp']).toBeLessThan((Number(after) + 1) * 1_000);
  });

  it('tells headers and timeout of a record; the handler gets its data', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(Describer), { queue });
    const client = startClient({ queue });
    const headers = { tenant: 'blue', 'x-Ünicode': '📦', empty: '' };
    const record = new ElkMqRecordBuilder({ id: 0 }).setHeaders(headers).setTimeout(1_500).setData({ id: 2 });
    headers.tenant = 'changed later';
    expect(await lastValueFrom(client.send('describe', record.build()))).toMatchObject({
      data: { id: 2 },
      headers: { tenant: 'blue', 'x-Ünicode': '📦', empty: '' },
      lifetime: 2_000, // the wire has whole seconds
    });
    expect(await lastValueFrom(client.send('describe', new ElkMqRecord('plain')))).toMatchObject({
      data: 'plain',
      headers: {},
      lifetime: 30_000,
    });
  });

  it.each([
    [[{ a: 1 }], 'header "a" must be a string, got 1'],
    [[undefined, 0], 'timeout must be a number of milliseconds from 1 to 65535000, got 0'],
    [
      [undefined, undefined, Infinity],
      'delay must be a number of milliseconds from 0 to 2000000000, got Infinity',
    ],
    [[undefined, undefined, undefined, null], 'deduplication must be { key, window }, got null'],
    [
      [undefined, undefined, undefined, { key: '', window: 1 }],
      'key must be a string of 1 to 256 characters of well-formed Unicode, got ""',
    ],
    [
      [undefined, undefined, undefined, undefined, ''],
      'orderingKey must be a string of 1 to 256 bytes of well-formed Unicode, got ""',
    ],
  ])('a record that is made without the builder is checked as well: %j', (options, expected) => {
    const make = () => Reflect.construct(ElkMqRecord, ['data', ...options]) as unknown;
    expect(messageOf('INVALID_OPTION', make)).toBe(expected);
  });

  // Nest 12.1 has it.
  it.runIf('setOnDispatchHook' in ElkMqClient.prototype)(
    'tells the metadata that the hook of the client has given to the message',
    async () => {
      const queue = newQueueName();
      await startApp(moduleOf(Describer), { queue });
      const client = startClient({ queue });
      let count = 0;
      client.setOnDispatchHook(
        (packet) => (packet.metadata = { trace: `${String(packet.pattern)} ${++count}` }),
      );
      const record = new ElkMqRecordBuilder({}).setHeaders({ trace: 'of the user' }).build();
      expect(await lastValueFrom(client.send('describe', {}))).toMatchObject({
        metadata: { trace: 'describe 1' },
        headers: {},
      });
      expect(await lastValueFrom(client.send('describe', record))).toMatchObject({
        metadata: { trace: 'describe 2' },
        headers: { trace: 'of the user' },
      });
    },
  );
});

describe('a record refuses', () => {
  it.each([
    [{ n: 1 }, 'header "n" must be a string, got 1'],
    [[], 'headers must be an object of strings, got an array of 0'],
    [null, 'headers must be an object of strings, got null'],
    [new Map([['tenant', 'blue']]), 'headers must be a plain object of strings, got an instance of Map'],
    [
      new Headers({ tenant: 'blue' }),
      'headers must be a plain object of strings, got an instance of Headers',
    ],
  ])('the headers %j', (headers, message) => {
    const record = new ElkMqRecordBuilder({});
    expect(() => record.setHeaders(headers as never)).toThrow(message);
  });

  it('no headers without a prototype, or of another realm', () => {
    const other = runInNewContext('({ tenant: "blue" })') as Record<string, string>;
    for (const headers of [other, Object.assign(Object.create(null) as object, { tenant: 'blue' })])
      expect(new ElkMqRecordBuilder({}).setHeaders(headers).build().headers).toEqual({ tenant: 'blue' });
  });

  it.each([[0], [-1], [65_535_001], [NaN], ['1s']])('the timeout %s', (timeout) => {
    const record = new ElkMqRecordBuilder({});
    expect(() => record.setTimeout(timeout as never)).toThrow(
      /^timeout must be a number of milliseconds from 1 to 65535000, got /,
    );
  });
});
