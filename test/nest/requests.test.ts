import { once } from 'node:events';
import { type AddressInfo, type Server } from 'node:net';
import { Catch, Controller, Injectable, ParseIntPipe, type DynamicModule } from '@nestjs/common';
import { UseFilters, UseGuards, UseInterceptors, type CanActivate, type CallHandler } from '@nestjs/common';
import { type ExecutionContext, type NestInterceptor, type RpcExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Payload, RpcException, Transport } from '@nestjs/microservices';
import { ClientProxy, type MicroserviceOptions } from '@nestjs/microservices';
import { concat, delay, EMPTY, EmptyError, from, lastValueFrom, map, of, Subject, throwError } from 'rxjs';
import { type Observable } from 'rxjs';
import { expect, it } from 'vitest';
import {
  events,
  moduleOf,
  requests,
  startApp,
  startClient,
  told,
  unsettled,
  valuesOf,
} from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, rejection, until } from '../support/queue.js';

class OutOfStock extends Error {}

@Catch(OutOfStock)
class OutOfStockFilter implements RpcExceptionFilter {
  catch(error: OutOfStock): Observable<never> {
    return throwError(() => ({ status: 'out of stock', item: error.message }));
  }
}

@Injectable()
class MembersOnly implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToRpc().getData<{ member?: boolean }>().member === true;
  }
}

@Injectable()
class InCapitals implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<string>): Observable<string> {
    return next.handle().pipe(map((text) => text.toUpperCase()));
  }
}

@Controller()
class Shop {
  @UseFilters(OutOfStockFilter)
  @MessagePattern('an exception filter')
  filtered(): never {
    throw new OutOfStock('book');
  }

  @MessagePattern('a pipe')
  piped(@Payload('amount', ParseIntPipe) amount: number): number {
    return amount + 1;
  }

  @UseGuards(MembersOnly)
  @MessagePattern('a guard')
  guarded(): string {
    return 'welcome';
  }

  @UseInterceptors(InCapitals)
  @MessagePattern('an interceptor')
  intercepted(): string {
    return 'book';
  }
}

const refuse = (error: Error) => (): never => {
  throw error;
};
const values = (...list: unknown[]) => list.map((value) => ({ kind: 'N', value }));
const end = { kind: 'C' };
const error = (it: unknown) => ({ kind: 'E', error: it });
const internal = { status: 'error', message: 'Internal server error' };

/** Handlers, and what a caller is told. */
const ANSWERS: Record<string, [handler: () => unknown, notifications: unknown[]]> = {
  'one value': [() => 'book', [...values('book'), end]],
  'several values': [() => of('book', 'pen', 'ink'), [...values('book', 'pen', 'ink'), end]],
  'an array': [() => ['book', 'pen'], [...values(['book', 'pen']), end]],
  'values over time': [() => from([1, 2, 3]).pipe(delay(20)), [...values(1, 2, 3), end]],
  'undefined among values': [() => of('book', undefined, 'ink'), [...values('book', undefined, 'ink'), end]],
  nothing: [() => undefined, [end]],
  'an Observable without values': [() => EMPTY, [end]],
  'the value null': [() => null, [...values(null), end]],
  'the value false': [() => false, [...values(false), end]],
  'an empty text': [() => '', [...values(''), end]],
  'a promise': [() => Promise.resolve('book'), [...values('book'), end]],
  'a promise of an Observable': [() => Promise.resolve(of(1, 2)), [...values(1, 2), end]],
  'values, then an error': [
    () => concat(of(1, 2), throwError(refuse(new RpcException('sold out')))),
    [...values(1, 2), error({ status: 'error', message: 'sold out' })],
  ],
  'an RpcException with a text': [
    refuse(new RpcException('sold out')),
    [error({ status: 'error', message: 'sold out' })],
  ],
  'an RpcException with an object': [
    refuse(new RpcException({ code: 409, item: 'book' })),
    [error({ code: 409, item: 'book' })],
  ],
  'an error of another kind': [refuse(new Error('a secret of the shop')), [error(internal)]],
  'a promise that rejects': [() => Promise.reject(new Error('a secret of the shop')), [error(internal)]],
};

/** Each question, and the notifications that its caller gets. */
const QUESTIONS: [pattern: string, data: unknown, notifications: unknown[]][] = [
  ...Object.entries(ANSWERS).map(([pattern, [, told]]): [string, object, unknown[]] => [pattern, {}, told]),
  ['an exception filter', {}, [error({ status: 'out of stock', item: 'book' })]],
  ['a pipe', { amount: '41' }, [...values(42), end]],
  ['a pipe', { amount: 'many' }, [error(internal)]],
  ['a guard', { member: true }, [...values('welcome'), end]],
  ['a guard', { member: false }, [error({ status: 'error', message: 'Forbidden resource' })]],
  ['an interceptor', {}, [...values('BOOK'), end]],
  ['an event handler', {}, [...values('noted'), end]],
  ['no such pattern', {}, [error('There is no matching message handler defined in the remote service.')]],
];

function shop(): DynamicModule {
  const handlers = Object.entries(ANSWERS).map(([pattern, [handler]]) => [pattern, handler] as const);
  return moduleOf(
    Shop,
    requests(Object.fromEntries(handlers)),
    events({ 'an event handler': () => 'noted' }),
  );
}

/** A client of the same module through Nest's own transport. */
async function overTcp(): Promise<ClientProxy> {
  const options = { host: '127.0.0.1', port: 0 };
  const microservice = { transport: Transport.TCP, options } as const;
  const app = closing(await NestFactory.createMicroservice<MicroserviceOptions>(shop(), microservice));
  await app.listen();
  const server: Server = app.unwrap();
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return closing(ClientProxyFactory.create({ transport: Transport.TCP, options: { ...options, port } }));
}

it.each(QUESTIONS)('%s, asked with %j: the caller is told what it is told over TCP', async (...question) => {
  const [pattern, data, notifications] = question;
  const queue = newQueueName();
  await startApp(shop(), { queue });
  expect(await told(startClient({ queue }).send(pattern, data))).toMatchObject(notifications);
  // Over TCP, Nest 11 answers a packet of its own there.
  if (pattern === 'undefined among values' && !('setOnDispatchHook' in ClientProxy.prototype)) return;
  expect(await told((await overTcp()).send(pattern, data))).toMatchObject(notifications);
});

it('a handler that answers nothing is an EmptyError for who wants a value', async () => {
  const queue = newQueueName();
  await startApp(shop(), { queue });
  const client = startClient({ queue });
  expect(await rejection(lastValueFrom(client.send('nothing', {})))).toBeInstanceOf(EmptyError);
  expect(await lastValueFrom(client.send('nothing', {}), { defaultValue: 'none' })).toBe('none');
});

it('values arrive when the handler has them, not only at the end', async () => {
  const queue = newQueueName();
  const prices = new Subject<number>();
  await startApp(moduleOf(requests({ prices: () => prices })), { queue });
  const arrived: (number | string)[] = [];
  startClient({ queue })
    .send<number>('prices', {})
    .subscribe({ next: (price) => arrived.push(price), complete: () => arrived.push('end') });

  await until(() => prices.observed);
  for (const price of [10, 20, 30]) {
    prices.next(price);
    await until(() => arrived.at(-1) === price);
  }
  prices.complete();
  await until(() => arrived.at(-1) === 'end');
  expect(arrived).toEqual([10, 20, 30, 'end']);
});

it.each([[1], [32], [33], [64], [65], [256], [300]])(
  '%i requests of one tick: each has its own answer',
  async (count) => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ double: (n: number) => 2 * n })), { queue, concurrency: 1_000 });
    const client = startClient({ queue });
    await client.connect();
    const numbers = Array.from({ length: count }, (_, n) => n);
    const answers = await Promise.all(numbers.map((n) => lastValueFrom(client.send<number>('double', n))));
    expect(answers).toEqual(numbers.map((n) => 2 * n));
    expect(await unsettled(queue)).toBe(0);
  },
);

it('nothing is sent before somebody subscribes, and each subscription is a request of its own', async () => {
  const queue = newQueueName();
  let asked = 0;
  await startApp(moduleOf(requests({ ask: () => ++asked })), { queue });
  const request = startClient({ queue }).send('ask', {});
  expect(await valuesOf(request)).toEqual([1]);
  expect(await valuesOf(request)).toEqual([2]);
  expect(asked).toBe(2);
});

it('when all is answered and client and app are closed, nothing of it is left in Redis', async () => {
  const queue = newQueueName();
  const app = await startApp(shop(), { queue });
  const client = startClient({ queue });
  await Promise.all(QUESTIONS.map(([pattern, data]) => told(client.send(pattern, data))));
  await client.close();
  await app.close();
  expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream' });
  expect(await redis.xlen(`${queue}(event_stream)`)).toBe(0);
  expect(await redis.xinfo('CONSUMERS', `${queue}(event_stream)`, 'elkmq')).toEqual([]);
});
