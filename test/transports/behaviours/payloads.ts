import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { from, of } from 'rxjs';
import { heard, type Area } from '../behaviour.js';

@Controller()
class Payloads {
  @MessagePattern('echo')
  echo(data: unknown): unknown {
    return data;
  }

  @MessagePattern('parts')
  parts(
    @Payload('id') id: number,
    @Payload() all: object,
    @Ctx() context: { getPattern?: unknown },
  ): unknown {
    return [id, all, typeof context];
  }

  @MessagePattern('results')
  results(kind: string): unknown {
    const results: Record<string, () => unknown> = {
      undefined: () => undefined,
      null: () => null,
      'promise of undefined': () => Promise.resolve(undefined),
      'promise of null': () => Promise.resolve(null),
      promise: () => Promise.resolve('later'),
      'promise of an Observable': () => Promise.resolve(of('soon')),
      'Observable of undefined': () => of(undefined),
      'Observable of a promise': () => from(Promise.resolve('in time')),
      date: () => new Date(0),
      falsy: () => of(0, '', false, null),
    };
    return results[kind]?.();
  }
}

const payloads = [
  ...['text', '', '42', '{"a":1}', 'päckchen 📦 \u0000 \u2028', 0, -1.5, true, false],
  ...[[], {}, [[null]], { a: { b: [1, { c: null }] }, __other__: 'x' }],
];

const result = (kind: string, ...expected: unknown[]) => ({
  name: `a result: ${kind}`,
  observe: ({ client }: Parameters<Area['behaviours'][number]['observe']>[0]) =>
    heard(client.send('results', kind)),
  expected: [...expected, 'end'],
});

export const payloadArea: Area = {
  title: 'payloads and results',
  controllers: [Payloads],
  behaviours: [
    {
      name: 'what is JSON arrives as it was, and comes back as it is',
      observe: async ({ client }) =>
        (await Promise.all(payloads.map((data) => heard(client.send('echo', data))))).flat(),
      expected: payloads.flatMap((data) => [data, 'end']),
    },
    {
      name: 'a payload of two megabytes arrives',
      async observe({ client }) {
        const [told] = await heard(client.send('echo', 'ä'.repeat(1_000_000)));
        return typeof told === 'string' ? told.length : (told as { error: Error }).error.message;
      },
      expected: 1_000_000,
      otherwise: {
        NATS: {
          shows: "'payload' max_payload size exceeded",
          says: 'it fails: the default of `max_payload` is one megabyte',
        },
      },
    },
    {
      name: 'a payload of null or undefined is refused by Nest',
      observe: async ({ client }) =>
        (await Promise.all([null, undefined].map((data) => heard(client.send('echo', data))))).map(String),
      expected: Array<string>(2).fill('[object Object]'),
    },
    {
      name: '@Payload() gives the whole, @Payload(name) a part, @Ctx() the context',
      observe: ({ client }) => heard(client.send('parts', { id: 7, more: true })),
      expected: [[7, { id: 7, more: true }, 'object'], 'end'],
    },
    result('undefined'),
    result('null', null),
    result('promise of undefined'),
    result('promise of null', null),
    result('promise', 'later'),
    result('promise of an Observable', 'soon'),
    result('Observable of undefined'),
    result('Observable of a promise', 'in time'),
    result('date', '1970-01-01T00:00:00.000Z'),
    result('falsy', 0, '', false, null),
    {
      name: 'each of a hundred requests at once gets its own answer',
      observe: async ({ client }) =>
        (
          await Promise.all(Array.from({ length: 100 }, (_, id) => heard(client.send('echo', { id }))))
        ).flatMap(([answer]) => (answer as { id: number }).id),
      expected: Array.from({ length: 100 }, (_, id) => id),
    },
  ],
};
