import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, rejection } from '../support/queue.js';

@Controller()
class Patterns {
  @MessagePattern({ entity: 'order', id: 7, nested: { b: true, a: 'x' } })
  object(): string {
    return 'object';
  }

  @MessagePattern(42)
  number(): string {
    return 'number';
  }

  @MessagePattern(['first', { entity: 'item' }])
  list(): string {
    return 'several';
  }
}

describe('a pattern finds its handler', () => {
  it.each([
    ['an object', { entity: 'order', id: 7, nested: { b: true, a: 'x' } }, 'object'],
    [
      'the same object, its keys in another order',
      { nested: { a: 'x', b: true }, id: 7, entity: 'order' },
      'object',
    ],
    ['the object as JSON', '{"nested":{"b":true,"a":"x"},"id":7,"entity":"order"}', 'object'],
    ['a number', 42, 'number'],
    ['the number as text', '42', 'number'],
    ['one of several', 'first', 'several'],
    ['another of several', { entity: 'item' }, 'several'],
  ])('%s', async (_what, pattern, answer) => {
    const queue = newQueueName();
    await startApp(moduleOf(Patterns), { queue });
    expect(await lastValueFrom(startClient({ queue }).send(pattern, {}))).toBe(answer);
  });

  const texts = [
    ...[
      '1.0',
      '1',
      '01',
      '1e3',
      'true',
      'null',
      '"x"',
      'x',
      '[]',
      '{}',
      '{"b":1,"a":2}',
      '{"a":2,"b":1}',
      ' ',
    ],
    ...['order.*', 'order.>', '*', '#', 'order:placed', 'päckchen 📦', 'a\nb', 'a"b\\c', 'a\u0000b'],
    ...['__proto__', 'constructor', 'x'.repeat(10_000)],
  ];
  it.each(texts.map((text) => [text.slice(0, 20), text]))(
    'the text %j, and no other',
    async (_shown, text) => {
      const queue = newQueueName();
      const handlers = texts.map((pattern) => [pattern, () => pattern] as const);
      await startApp(moduleOf(requests(Object.fromEntries(handlers))), { queue });
      expect(await lastValueFrom(startClient({ queue }).send(text, {}))).toBe(text);
    },
  );

  it('the text of a JSON object, spelled in another way than the handler was', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ '{"a":2,"b":1}': () => 'found' })), { queue });
    expect(await lastValueFrom(startClient({ queue }).send('{ "b": 1, "a": 2 }', {}))).toBe('found');
  });
});

describe('a pattern finds no handler', () => {
  it.each([['order'], ['order.placed.late'], ['ORDER.PLACED'], ['toString'], ['__proto__'], ['{'], ['null']])(
    '%s',
    async (pattern) => {
      const queue = newQueueName();
      await startApp(moduleOf(requests({ 'order.placed': () => 'placed' })), { queue });
      expect(await rejection(lastValueFrom(startClient({ queue }).send(pattern, {})))).toBe(
        'There is no matching message handler defined in the remote service.',
      );
    },
  );
});

describe('what is no pattern is refused at once, and says why', () => {
  it.each([
    ['', 'got ""'],
    [true, 'got true'],
    [() => 'x', 'got a function'],
    [Symbol('x'), 'got Symbol(x)'],
    [10n, 'got 10'],
    ['lone \ud800', 'lone surrogate'],
  ])('%s', async (pattern, why) => {
    const client = startClient({ queue: newQueueName() });
    for (const refused of [client.send(pattern, {}), client.emit(pattern, {})]) {
      expect(await rejection(lastValueFrom(refused))).toMatchObject({
        code: 'INVALID_EVENT',
        message: expect.stringContaining(why) as unknown,
      });
    }
  });
});
