import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { defer, of, type Observable } from 'rxjs';
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

  @MessagePattern('said.twice')
  firstOfTwo(): string {
    return 'first';
  }

  @EventPattern('shared.event')
  sharedEvent(@Payload() data: string): void {
    noted.push(`shared event: ${data} in First`);
  }

  @EventPattern('stock.*')
  anyStock(@Payload() data: string): void {
    noted.push(`any stock: ${data}`);
  }

  @EventPattern('failing.event')
  failing(@Payload() data: string): void {
    noted.push(`failing event: ${data}`);
    throw new RpcException('it fails');
  }

  @EventPattern('observed.event')
  observed(@Payload() data: string): Observable<unknown> {
    return defer(() => of(noted.push(`observed event: ${data}`)));
  }

  @EventPattern('event.or.request')
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

  @MessagePattern('said.twice')
  secondOfTwo(): string {
    return 'second';
  }

  @EventPattern('shared.event')
  sharedEvent(@Payload() data: string): void {
    noted.push(`shared event: ${data} in Second`);
  }

  @EventPattern('shared.event')
  again(@Payload() data: string): void {
    noted.push(`shared event: ${data} in Second again`);
  }

  @MessagePattern('request.or.event')
  request(@Payload() data: string): string {
    noted.push(`request or event: ${data}`);
    return data;
  }
}

@Controller()
class Spaced {
  @MessagePattern('with spaces in it')
  spaced(): string {
    return 'spaced';
  }
}

const send =
  (...patterns: unknown[]) =>
  async ({ client, timeoutMs }: World): Promise<unknown[]> =>
    Promise.all(patterns.map((pattern) => heard(client.send(pattern, 'data'), timeoutMs)));
const nobody = (pattern: string) =>
  new Error(`Empty response. There are no subscribers listening to that message ("${pattern}")`);
const literal = {
  shows: [],
  says: 'it is called for the pattern `stock.*` itself',
  isSilence: true,
} as const;
const optional = { ...literal, says: `${literal.says}, unless \`wildcards\` is set` };
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
      otherwise: { TCP: notFound, Redis: notFound, NATS: notFound, RMQ: notFound },
    })),
    {
      name: 'a pattern has spaces in it',
      async observe({ start, connect, newAddress }) {
        const address = await newAddress();
        try {
          await start({ controllers: [Spaced] }, address);
        } catch (error) {
          return (error as Error).name;
        }
        return heard((await connect(address)).send('with spaces in it', {}));
      },
      expected: ['spaced', 'end'],
      otherwise: {
        NATS: { shows: 'InvalidSubjectError', says: 'the application does not start: `InvalidSubjectError`' },
      },
    },
    {
      name: 'a request without a handler is answered with an error',
      observe: send('unknown', { entity: 'unknown' }),
      expected: [[NO_HANDLER], [NO_HANDLER]],
      otherwise: {
        Redis: {
          shows: [['nothing more'], ['nothing more']],
          says: 'it is never answered',
          isSilence: true,
        },
        NATS: {
          shows: ['unknown', '{"entity":"unknown"}'].map((pattern) => [{ error: nobody(pattern) }]),
          says: 'yes, by the client: nobody subscribes to it',
        },
      },
    },
    {
      name: 'of two request handlers of one pattern the last one is called',
      observe: send('said.twice'),
      expected: [['second', 'end']],
    },
    {
      name: 'all event handlers of one pattern are called',
      async observe({ client }) {
        await heard(client.emit('shared.event', 'a'));
        await until(() => notes('shared event: a').length === 3);
        return notes('shared event: a').sort();
      },
      expected: ['shared event: a in First', 'shared event: a in Second', 'shared event: a in Second again'],
    },
    {
      name: "an event handler of 'stock.*' is called for each pattern that matches",
      async observe({ client, timeoutMs }) {
        await heard(client.emit('stock.low', 'low'));
        await until(() => notes('any stock').length > 0, timeoutMs).catch(() => undefined);
        return notes('any stock');
      },
      expected: ['any stock: low'],
      otherwise: { TCP: literal, Redis: optional, RMQ: optional },
    },
    {
      name: 'an event handler that fails is called once, and harms nobody',
      async observe({ client }) {
        await heard(client.emit('failing.event', 'd'));
        await until(() => notes('failing event').length > 0);
        return [await heard(client.send('sum', [1])), notes('failing event')];
      },
      expected: [[1, 'end'], ['failing event: d']],
    },
    {
      name: 'an Observable that an event handler answers is subscribed to',
      async observe({ client }) {
        await heard(client.emit('observed.event', 'e'));
        await until(() => notes('observed event').length > 0);
        return notes('observed event');
      },
      expected: ['observed event: e'],
    },
    {
      name: 'emit() calls a request handler, and its answer is for nobody',
      async observe({ client }) {
        const told = await heard(client.emit('request.or.event', 'b'));
        await until(() => notes('request or event: b').length === 1);
        return told;
      },
      expected: [undefined, 'end'],
    },
    {
      name: 'send() calls an event handler, and ends without a value',
      async observe({ client }) {
        const told = await heard(client.send('event.or.request', 'c'));
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
