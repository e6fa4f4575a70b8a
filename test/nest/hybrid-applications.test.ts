import { Controller, Get, type INestApplication, type NestInterceptor } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type AsyncMicroserviceOptions } from '@nestjs/microservices';
import { lastValueFrom, map } from 'rxjs';
import { ELKMQ, ElkMqServer, type ElkMqServerOptions } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { moduleOf } from '../support/nest.js';
import { startClient } from '../support/nest.js';
import { closing, newQueueName, url } from '../support/queue.js';

const BILLS = Symbol('BILLS');
const NO_HANDLER = 'There is no matching message handler defined in the remote service.';

@Controller()
class Office {
  @Get('over-http')
  http(): string {
    return 'http';
  }

  @MessagePattern('anywhere')
  anywhere(): string {
    return 'anywhere';
  }

  @MessagePattern('over ElkMQ', ELKMQ)
  elkmq(): string {
    return 'elkmq';
  }

  @MessagePattern('for bills', BILLS)
  bills(): string {
    return 'bills';
  }
}

const exclaim: NestInterceptor = {
  intercept: (_, next) => next.handle().pipe(map((it) => `${String(it)}!`)),
};

async function hybridApp(): Promise<INestApplication> {
  return closing(await NestFactory.create(moduleOf(Office)));
}

async function ask(queue: string, pattern: string): Promise<unknown> {
  return lastValueFrom(startClient({ queue }).send(pattern, {})).catch((error: unknown) => error);
}

describe('a hybrid application', () => {
  it('serves HTTP and a queue', async () => {
    const queue = newQueueName();
    const app = await hybridApp();
    app.connectMicroservice({ strategy: new ElkMqServer({ queue, url }) });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    expect(await (await fetch(`${await app.getUrl()}/over-http`)).text()).toBe('http');
    expect(await ask(queue, 'anywhere')).toBe('anywhere');
  });

  it.each([
    [true, 'anywhere!'],
    [false, 'anywhere'],
  ])('with inheritAppConfig %s answers %s', async (inheritAppConfig, answer) => {
    const queue = newQueueName();
    const app = await hybridApp();
    app.useGlobalInterceptors(exclaim);
    app.connectMicroservice({ strategy: new ElkMqServer({ queue, url }) }, { inheritAppConfig });
    await app.startAllMicroservices();
    expect(await ask(queue, 'anywhere')).toBe(answer);
  });

  it('has interceptors, pipes and filters of its own when it is initialised later', async () => {
    const queue = newQueueName();
    const app = await hybridApp();
    const strategy = new ElkMqServer({ queue, url });
    const microservice = app.connectMicroservice({ strategy }, { deferInitialization: true });
    microservice.useGlobalInterceptors(exclaim);
    await app.startAllMicroservices();
    expect(await ask(queue, 'anywhere')).toBe('anywhere!');
  });

  it('has a server for each of several queues, with the handlers of its transportId', async () => {
    const [orders, bills] = [newQueueName(), newQueueName()];
    const app = await hybridApp();
    app.connectMicroservice({ strategy: new ElkMqServer({ queue: orders, url }) });
    app.connectMicroservice({ strategy: new ElkMqServer({ queue: bills, url, transportId: BILLS }) });
    await app.startAllMicroservices();

    const patterns = ['anywhere', 'over ElkMQ', 'for bills'];
    expect(await Promise.all(patterns.map((pattern) => ask(orders, pattern)))).toEqual([
      ...['anywhere', 'elkmq'],
      NO_HANDLER,
    ]);
    expect(await Promise.all(patterns.map((pattern) => ask(bills, pattern)))).toEqual([
      ...['anywhere', NO_HANDLER, 'bills'],
    ]);
  });
});

it('a microservice can have its options from a provider', async () => {
  const queue = newQueueName();
  const settings = { provide: 'SETTINGS', useValue: { queue, url } };
  const app = closing(
    await NestFactory.createMicroservice<AsyncMicroserviceOptions>(
      { ...moduleOf(Office), providers: [settings] },
      {
        inject: ['SETTINGS'],
        useFactory: (options: ElkMqServerOptions) => ({ strategy: new ElkMqServer(options) }),
      },
    ),
  );
  await app.listen();
  expect(await ask(queue, 'anywhere')).toBe('anywhere');
});
