import {
  Controller,
  Get,
  Inject,
  Module,
  NotFoundException,
  Param,
  type INestApplication,
} from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { RpcException } from '@nestjs/microservices';
import * as elkmq from 'nestjs-elkmq';
import {
  ElkMqClient,
  ElkMqHttpExceptionFilter,
  ElkMqModule,
  ElkMqServer,
  type ElkMqContext,
} from 'nestjs-elkmq';
import { lastValueFrom, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { closing, newQueueName, rejection, url } from '../support/queue.js';

type Kind = new (message: string) => Error;

/** An HTTP API in front of a queue; `GET /ask/…` sends a request to that pattern, `GET /throw/…` throws that error. */
async function startApi(queue: string, timeout = 30_000): Promise<INestApplication> {
  @Controller()
  class Api {
    constructor(@Inject('ORDERS') private readonly orders: ElkMqClient) {}

    @Get('ask/:pattern')
    ask(@Param('pattern') pattern: string): Observable<unknown> {
      return this.orders.send(pattern, {});
    }

    @Get('throw/:name')
    throw(@Param('name') name: string): never {
      if (name === 'NotFoundException') throw new NotFoundException('no such order');
      const Kind = (elkmq as unknown as Record<string, Kind>)[name] ?? Error;
      throw new Kind('10.0.0.7:6379 is away');
    }
  }
  @Module({
    imports: [ElkMqModule.register([{ name: 'ORDERS', queue, url, timeout }])],
    controllers: [Api],
    providers: [{ provide: APP_FILTER, useClass: ElkMqHttpExceptionFilter }],
  })
  class ApiModule {}
  const app = closing(await NestFactory.create(ApiModule));
  await app.listen(0, '127.0.0.1');
  return app;
}

async function get(app: INestApplication, path: string): Promise<[status: number, body: unknown]> {
  const answer = await fetch(`${await app.getUrl()}/${path}`);
  return [answer.status, await answer.json()];
}

describe('an HTTP API with the filter answers', () => {
  it.each([
    ['TimeoutExpiredError', 504, 'TIMEOUT_EXPIRED'],
    ['ConnectionError', 503, 'CONNECTION_FAILED'],
    ['EnqueueError', 503, 'ENQUEUE_FAILED'],
    ['QueueFullError', 503, 'QUEUE_FULL'],
    ['BufferFullError', 503, 'BUFFER_FULL'],
    ['AbandonedError', 502, 'ABANDONED'],
    ['JsonParseError', 502, 'JSON_PARSE_FAILED'],
    ['PayloadTooLargeError', 413, 'PAYLOAD_TOO_LARGE'],
    ['JsonDumpError', 400, 'JSON_DUMP_FAILED'],
  ])('%s with %i, and what it says is in the log only', async (name, statusCode, code) => {
    const app = await startApi(newQueueName());
    const [status, body] = await get(app, `throw/${name}`);
    expect([status, body]).toMatchObject([statusCode, { statusCode, code }]);
    expect(JSON.stringify(body)).not.toContain('10.0.0.7');
    expect(logs).toContainEqual(`error [ElkMqHttpExceptionFilter] ${name}: 10.0.0.7:6379 is away`);
  });

  it('what is not of a queue as Nest does', async () => {
    const app = await startApi(newQueueName());
    expect(await get(app, 'throw/NotFoundException')).toMatchObject([404, { message: 'no such order' }]);
    expect(await get(app, 'throw/SomeError')).toEqual([
      500,
      { statusCode: 500, message: 'Internal server error' },
    ]);
    expect((await get(app, 'no/such/path'))[0]).toBe(404);
  });

  it('what a handler says with a status, a rejection, and a handler that is silent', async () => {
    const queue = newQueueName();
    const invalid = { statusCode: 400, error: 'Bad Request', message: ['id must be a number'] };
    await startApp(
      moduleOf(
        requests({
          valid: () => ({ id: 1 }),
          invalid: () => {
            throw new RpcException(invalid);
          },
          odd: () => {
            throw new RpcException({ statusCode: 200 });
          },
          rejected: (_data: unknown, context: ElkMqContext) => {
            context.deadLetter('no such order');
          },
          silent: () => new Promise(() => undefined),
        }),
      ),
      { queue, drainTimeout: 1 },
    );
    const app = await startApi(queue);
    expect(await get(app, 'ask/valid')).toEqual([200, { id: 1 }]);
    expect(await get(app, 'ask/invalid')).toEqual([400, invalid]);
    expect(await get(app, 'ask/odd')).toEqual([500, { statusCode: 500, message: 'Internal server error' }]);
    expect(await get(app, 'ask/rejected')).toEqual([
      422,
      { statusCode: 422, code: 'REJECTED', message: 'no such order' },
    ]);
    expect(await get(await startApi(queue, 50), 'ask/silent')).toMatchObject([
      504,
      { code: 'TIMEOUT_EXPIRED' },
    ]);
  });
});

it('messages of a hybrid application with the filter fail as they do without it', async () => {
  const queue = newQueueName();
  const handlers = requests({
    refuse: () => {
      throw new RpcException('sold out');
    },
  });
  const providers = [{ provide: APP_FILTER, useClass: ElkMqHttpExceptionFilter }];
  const app = closing(await NestFactory.create({ ...moduleOf(handlers), providers }));
  app.connectMicroservice({ strategy: new ElkMqServer({ queue, url }) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  const told = await rejection(lastValueFrom(startClient({ queue }).send('refuse', {})));
  expect(told).toEqual({ status: 'error', message: 'sold out' });
});
