import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { until } from '../../support/queue.js';
import { heard, noted, notes, type Area, type World } from '../behaviour.js';

const NO_HANDLER = {
  error: 'There is no matching message handler defined in the remote service.',
};

@Controller()
class First {
  @MessagePattern('sum')
  sum(numbers: number[]): number {
    return numbers.reduce((sum, number) => sum + number, 0);
  }

  @MessagePattern({ entity: 'order', nested: { b: true, a: 'x' }, id: 7 })
  object(): string {
    return 'object';
  }

  @MessagePattern(42)
  number(): string {
    return 'number';
  }

  @MessagePattern(['either', { or: 'this' }])
  several(): string {
    return 'several';
  }

  @MessagePattern('1.0')
  decimal(): string {
    return '1.0';
  }

  @MessagePattern('true')
  boolean(): string {
    return 'true';
  }

  @MessagePattern('null')
  nothing(): string {
    return 'null';
  }

  @MessagePattern('"x"')
  quoted(): string {
    return '"x"';
  }

  @MessagePattern('said twice')
  firstOfTwo(): string {
    return 'first';
  }

  @EventPattern('shared event')
  sharedEvent(@Payload() data: string): void {
    noted.push(`shared event: ${data} in First`);
  }

  @EventPattern('event or request')
  event(@Payload() data: string): void {
    noted.push(`event or request: ${data}`);
  }
}

@Controller()
class Second {
  @MessagePattern('product')
  product(numbers: number[]): number {
    return numbers.reduce((product, number) => product * number, 1);
  }

  @MessagePattern('said twice')
  secondOfTwo(): string {
    return 'second';
  }

  @EventPattern('shared event')
  sharedEvent(@Payload() data: string): void {
    noted.push(`shared event: ${data} in Second`);
  }

  @EventPattern('shared event')
  again(@Payload() data: string): void {
    noted.push(`shared event: ${data} in Second again`);
  }

  @MessagePattern('request or event')
  request(@Payload() data: string): string {
    noted.push(`request or event: ${data}`);
    return data;
  }
}

const send =
  (...patterns: unknown[]) =>
  async ({ client }: World): Promise<unknown[]> =>
    Promise.all(patterns.map((pattern) => heard(client.send(pattern, 'data'), 500)));
const notFound = { shows: [[NO_HANDLER]], says: 'no handler is found' };

export const patterns: Area = {
  title: 'patterns',
  controllers: [First, Second],
  behaviours: [
    {
      name: 'each of several controllers has several handlers',
      observe: ({ client }) =>
        Promise.all([heard(client.send('sum', [1, 2, 3])), heard(client.send('product', [4, 5]))]),
      expected: [
        [6, 'end'],
        [20, 'end'],
      ],
    },
    {
      name: 'a pattern is an object, its keys in any order',
      observe: send({ id: 7, nested: { a: 'x', b: true }, entity: 'order' }),
      expected: [['object', 'end']],
    },
    { name: 'a pattern is a number', observe: send(42), expected: [['number', 'end']] },
    {
      name: 'a handler has several patterns',
      observe: send('either', { or: 'this' }),
      expected: [
        ['several', 'end'],
        ['several', 'end'],
      ],
    },
    ...['1.0', 'true', 'null', '"x"'].map((pattern) => ({
      name: `the pattern '${pattern}', a text that is also JSON, finds its handler`,
      observe: send(pattern),
      expected: [[pattern, 'end']],
      otherwise: { TCP: notFound, Redis: notFound },
    })),
    {
      name: 'a request without a handler is answered with an error',
      observe: send('unknown', { entity: 'unknown' }),
      expected: [[NO_HANDLER], [NO_HANDLER]],
      otherwise: {
        Redis: {
          shows: [['nothing more'], ['nothing more']],
          says: 'it is never answered',
        },
      },
    },
    {
      name: 'of two request handlers of one pattern the last one is called',
      observe: send('said twice'),
      expected: [['second', 'end']],
    },
    {
      name: 'all event handlers of one pattern are called',
      async observe({ client }) {
        await heard(client.emit('shared event', 'a'));
        await until(() => notes('shared event: a').length === 3);
        return notes('shared event: a').sort();
      },
      expected: ['shared event: a in First', 'shared event: a in Second', 'shared event: a in Second again'],
    },
    {
      name: 'emit() calls a request handler, and its answer is for nobody',
      async observe({ client }) {
        const told = await heard(client.emit('request or event', 'b'));
        await until(() => notes('request or event: b').length === 1);
        return told;
      },
      expected: [undefined, 'end'],
    },
    {
      name: 'send() calls an event handler, and ends without a value',
      async observe({ client }) {
        const told = await heard(client.send('event or request', 'c'));
        return [told, notes('event or request: c')];
      },
      expected: [['end'], ['event or request: c']],
    },
    {
      name: 'an event without a handler harms nobody',
      async observe({ client }) {
        return [await heard(client.emit('unknown', {})), await heard(client.send('sum', [1]))];
      },
      expected: [
        [undefined, 'end'],
        [1, 'end'],
      ],
    },
  ],
};
