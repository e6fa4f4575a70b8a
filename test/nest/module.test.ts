import { Global, Inject, Injectable, Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import type { CallHandler, ExecutionContext, INestMicroservice, NestInterceptor } from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { ClientsModule } from '@nestjs/microservices';
import { catchError, lastValueFrom, type Observable } from 'rxjs';
import { ElkMqClient, ElkMqModule, ElkMqServer, type ElkMqClientOptions } from 'nestjs-elkmq';
import { type ElkMqClientOptionsFactory } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { thrownBy } from '../support/calls.js';
import { deadLettersOf, events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { closing, keysOf, newQueueName, rejection, until, url } from '../support/queue.js';

/** The settings of an application. */
@Injectable()
class Settings implements ElkMqClientOptionsFactory {
  static queue = '';

  createElkMqOptions(): ElkMqClientOptions {
    return { queue: Settings.queue, url };
  }
}

@Global()
@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Injectable()
class Checkout {
  constructor(@Inject('ORDERS') readonly orders: ElkMqClient) {}
}

const registrations: [how: string, module: (queue: string) => DynamicModule][] = [
  ['ElkMqModule.register', (queue) => ElkMqModule.register([{ name: 'ORDERS', queue, url }])],
  [
    'registerAsync with a factory',
    (queue) => ElkMqModule.registerAsync([{ name: 'ORDERS', useFactory: () => ({ queue, url }) }]),
  ],
  [
    'registerAsync with an asynchronous factory that has dependencies',
    () =>
      ElkMqModule.registerAsync([
        {
          name: 'ORDERS',
          imports: [SettingsModule],
          inject: [Settings],
          useFactory: (settings: Settings) => Promise.resolve(settings.createElkMqOptions()),
        },
      ]),
  ],
  ['registerAsync with a class', () => ElkMqModule.registerAsync([{ name: 'ORDERS', useClass: Settings }])],
  [
    'registerAsync with a provider of another module',
    () => ElkMqModule.registerAsync([{ name: 'ORDERS', imports: [SettingsModule], useExisting: Settings }]),
  ],
  [
    'ClientsModule.register with customClass',
    (queue) =>
      ClientsModule.register([{ name: 'ORDERS', customClass: ElkMqClient, options: { queue, url } }]),
  ],
  [
    'ClientsModule.registerAsync with customClass',
    (queue) =>
      ClientsModule.registerAsync([
        { name: 'ORDERS', useFactory: () => ({ customClass: ElkMqClient, options: { queue, url } }) },
      ]),
  ],
];

async function startContext(...imports: DynamicModule['imports'] & object) {
  @Module({ imports, providers: [Checkout] })
  class TestModule {}
  return closing(await NestFactory.createApplicationContext(TestModule));
}

describe.each(registrations)('%s', (_how, registration) => {
  it('provides a client, which is closed with the application', async () => {
    const queue = (Settings.queue = newQueueName());
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
    const context = await startContext(registration(queue));
    const { orders } = context.get(Checkout);
    expect(orders).toBeInstanceOf(ElkMqClient);
    expect(await lastValueFrom(orders.send('echo', 1))).toBe(1);

    const statuses: string[] = [];
    orders.status.subscribe((status) => statuses.push(status));
    await context.close();
    expect(statuses).toEqual(['connected', 'disconnected']);
    await until(async () => Object.keys(await keysOf(queue)).length === 2);
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream', '(workers)': 'hash' });
  });
});

describe('clients', () => {
  it('of one module can be several, named by text or by symbol', async () => {
    const STOCK = Symbol('STOCK');
    const context = await startContext(
      ElkMqModule.register([
        { name: 'ORDERS', queue: newQueueName(), url },
        { name: STOCK, queue: newQueueName(), url },
      ]),
      ElkMqModule.registerAsync([{ name: 'BILLS', useFactory: () => ({ queue: newQueueName(), url }) }]),
    );
    const clients = ['ORDERS', STOCK, 'BILLS'].map((name) => context.get<ElkMqClient>(name));
    expect(new Set(clients).size).toBe(3);
    for (const client of clients) expect(client).toBeInstanceOf(ElkMqClient);
  });

  it.each([
    ['register', ElkMqModule.register({ isGlobal: true, clients: [{ name: 'ORDERS', queue: 'orders' }] })],
    [
      'registerAsync',
      ElkMqModule.registerAsync({
        isGlobal: true,
        clients: [{ name: 'ORDERS', useFactory: () => ({ queue: 'orders' }) }],
      }),
    ],
  ])('of %s with isGlobal are there in modules that do not import them', async (_how, registration) => {
    @Module({ providers: [Checkout], exports: [Checkout] })
    class CheckoutModule {}
    @Module({ imports: [registration, CheckoutModule] })
    class TestModule {}
    const context = closing(await NestFactory.createApplicationContext(TestModule));
    expect(context.get(CheckoutModule)).toBeDefined();
    expect(context.select(CheckoutModule).get(Checkout).orders).toBeInstanceOf(ElkMqClient);
  });

  it.each([
    [[{ queue: 'orders' }], 'each client must have a name, a string or a symbol, got undefined'],
    [
      { clients: [{ queue: 'orders', name: '' }] },
      'each client must have a name, a string or a symbol, got ""',
    ],
    [[undefined], 'each client must have a name, a string or a symbol, got undefined'],
    [undefined, 'the clients must be an array, or an object of clients and isGlobal, got undefined'],
    [
      { name: 'ORDERS', queue: 'orders' },
      'the clients must be an array, or an object of clients and isGlobal, got an object',
    ],
  ])('without a name are refused at once: %j', (clients, message) => {
    for (const register of ['register', 'registerAsync'] as const)
      expect(thrownBy(() => ElkMqModule[register](clients as never))).toMatchObject({
        code: 'INVALID_OPTION',
        message,
      });
  });

  it('without a way to make their options are refused at once', () => {
    expect(() => ElkMqModule.registerAsync([{ name: 'ORDERS' }])).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: 'the client "ORDERS" must have one of useFactory, useClass and useExisting, got none',
      }) as Error,
    );
  });

  it('with wrong options keep the application from starting', async () => {
    const registration = ElkMqModule.registerAsync([
      { name: 'ORDERS', useFactory: () => ({ queue: 'orders', timeout: '5s' as never }) },
    ]);
    const error = await rejection(
      NestFactory.createApplicationContext(registration, { abortOnError: false }),
    );
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('"5s"') as unknown,
    });
  });
});

describe('where ElkMqModule is imported, a dead letter tells what was thrown', () => {
  const refuse = (): never => {
    throw new TypeError('sold out');
  };
  const clients = (name: string) => ElkMqModule.register([{ name, queue: newQueueName(), url }]);

  it.each<[string, () => ModuleMetadata['imports']]>([
    ['as it is', () => [ElkMqModule]],
    ['with clients, twice', () => [clients('ONE'), clients('OTHER')]],
  ])('%s', async (_how, imports) => {
    const queue = newQueueName();
    await startApp({ ...moduleOf(events({ odd: refuse })), imports: imports() ?? [] }, { queue });
    await lastValueFrom(startClient({ queue }).emit('odd', 1), { defaultValue: undefined });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ error: { name: 'TypeError', message: 'sold out' } }]);
  });

  it.each([true, false])(
    'in a hybrid application, with inheritAppConfig %j; otherwise the log names it',
    async (inheritAppConfig) => {
      const queue = newQueueName();
      const module = { ...moduleOf(events({ odd: refuse })), imports: [ElkMqModule] };
      const app = closing(await NestFactory.create(module));
      app.connectMicroservice({ strategy: new ElkMqServer({ queue, url }) }, { inheritAppConfig });
      await app.startAllMicroservices();
      const before = logs.length;
      await lastValueFrom(startClient({ queue }).emit('odd', 1), { defaultValue: undefined });
      await until(async () => (await deadLettersOf(queue)).length === 1);
      const [letter] = await deadLettersOf(queue);
      const isNamed = logs.slice(before).some((line) => line.includes('inheritAppConfig'));
      expect([letter?.error?.name, isNamed]).toEqual(
        inheritAppConfig ? ['TypeError', false] : ['object', true],
      );
    },
  );
});

describe('where ElkMqModule is imported, retry.when gets what a global interceptor throws', () => {
  class TooSlow extends Error {}

  @Injectable()
  class TimeLimit implements NestInterceptor {
    intercept(_execution: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(
        catchError(() => {
          throw new TooSlow();
        }),
      );
    }
  }
  const provider = { provide: APP_INTERCEPTOR, useClass: TimeLimit };
  const refuse = (): never => {
    throw new TypeError('sold out');
  };

  it.each<[string, ModuleMetadata, ((app: INestMicroservice) => unknown)?]>([
    ['of the root module', { imports: [ElkMqModule], providers: [provider] }],
    [
      'of a module that is imported earlier',
      { imports: [{ ...moduleOf(), providers: [provider] }, ElkMqModule] },
    ],
    ['of the application', { imports: [ElkMqModule] }, (app) => app.useGlobalInterceptors(new TimeLimit())],
  ])('%s', async (_where, metadata, prepare) => {
    const queue = newQueueName();
    const seen: unknown[] = [];
    const retry = { attempts: 2, when: (error: unknown) => (seen.push(error), false) };
    const strategy = new ElkMqServer({ queue, url, retry });
    const module = { ...moduleOf(events({ odd: refuse })), ...metadata };
    const app = closing(await NestFactory.createMicroservice(module, { strategy }));
    prepare?.(app);
    await app.listen();
    await lastValueFrom(startClient({ queue }).emit('odd', 1), { defaultValue: undefined });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(seen).toEqual([expect.any(TooSlow)]);
    expect(
      logs.filter((line) => line.includes('cannot see what was thrown') && line.includes(queue)),
    ).toEqual([]);
  });
});
