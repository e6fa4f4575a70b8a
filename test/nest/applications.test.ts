import { AsyncLocalStorage } from 'node:async_hooks';
import { Controller, Inject, Scope, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CONTEXT, EventPattern, MessagePattern, RpcException } from '@nestjs/microservices';
import { type RequestContext } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { lastValueFrom, of } from 'rxjs';
import { ConnectionError, ElkMqContext, ElkMqRecordBuilder, ElkMqServer } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { Proxy } from '../support/proxy.js';
import { deadLettersOf, events, listening, logs, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, told, unsettled } from '../support/nest.js';
import { closing, killConnection, newQueueName, redis, rejection, until, url } from '../support/queue.js';

const echo = requests({ echo: (data: unknown) => data });

describe('concurrency', () => {
  it.each([[1], [3], [100]])('of %i: as many run at once, and never more', async (concurrency) => {
    const queue = newQueueName();
    const running: (() => void)[] = [];
    let most = 0;
    const work = () =>
      new Promise<void>((resolve) => {
        running.push(resolve);
        most = Math.max(most, running.length);
      });
    await startApp(moduleOf(events({ work })), { queue, concurrency });
    const client = startClient({ queue });
    const count = concurrency * 3 + 2;
    await Promise.all(Array.from({ length: count }, () => told(client.emit('work', {}))));

    for (let left = count; left > 0; left--) {
      await until(() => running.length === Math.min(concurrency, left));
      running.shift()?.();
    }
    await until(async () => (await unsettled(queue)) === 0);
    expect(most).toBe(concurrency);
  });

  it('of 2: as many again may wait for Redis to confirm their end, and never more', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    await Promise.all(numbers.map((number) => told(client.emit('work', number))));
    const proxy = closing(await Proxy.before(url));
    const handled: number[] = [];
    const work = (number: number) => {
      // From now on Redis is told of no end, but goes on to hand out messages.
      if (handled.length === 0) proxy.silence(/^(?!.*xreadgroup)/is);
      handled.push(number);
    };
    await startApp(moduleOf(events({ work })), { queue, url: proxy.url, concurrency: 2 });
    await until(() => handled.length === 4);
    let most = 0;
    const isPast = async (count: number) => {
      const [pending] = (await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number];
      most = Math.max(most, pending);
      return handled.length >= count;
    };
    expect(await isPast(5)).toBe(false);
    proxy.cut();
    await until(() => isPast(8));
    await until(async () => (await unsettled(queue)) === 0);
    expect(most).toBe(4);
    expect(handled).toEqual(numbers);
  });

  it('of which handlers that keep the processor leave most to other workers', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const count = 150;
    await Promise.all(Array.from({ length: count }, () => told(client.emit('work', {}))));
    let handled = 0;
    const work = () => {
      const end = performance.now() + 10;
      while (performance.now() < end);
      handled++;
    };
    await startApp(moduleOf(events({ work })), { queue });
    let most = 0;
    await until(async () => {
      const [pending] = (await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number];
      most = Math.max(most, pending);
      return handled === count;
    });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(32);
  });
});

@Controller({ scope: Scope.REQUEST })
class PerMessage {
  static made = 0;
  readonly number = ++PerMessage.made;

  constructor(@Inject(CONTEXT) private readonly message: RequestContext<string, ElkMqContext>) {}

  @MessagePattern('ask')
  ask(): unknown[] {
    return [this.number, this.message.data, this.message.getContext().getHeaders()];
  }

  @EventPattern('note')
  note(data: string): void {
    throw new RpcException(`${this.message.data} ${data} ${String(this.number)}`);
  }
}

it('a controller of request scope is made for each message, and can have it injected', async () => {
  const queue = newQueueName();
  await startApp(moduleOf(PerMessage), { queue });
  const client = startClient({ queue });
  const record = new ElkMqRecordBuilder('second').setHeaders({ tenant: 'blue' }).build();
  expect(await lastValueFrom(client.send('ask', 'first'))).toEqual([1, 'first', {}]);
  expect(await lastValueFrom(client.send('ask', record))).toEqual([2, 'second', { tenant: 'blue' }]);
  client.emit('note', 'third');
  await until(async () => (await deadLettersOf(queue)).length === 1);
  expect((await deadLettersOf(queue))[0]?.error?.message).toContain('third third 3');
});

function brokenHook(): never {
  throw new Error('a broken hook');
}

describe('processing hooks', () => {
  const handlers = [
    requests({ ok: () => of(1, 2), refused: () => Promise.reject(new RpcException('no')) }),
    events({ placed: () => undefined, failing: () => Promise.reject(new RpcException('no')) }),
  ];

  it('run once each around every message, whatever comes of it, and handlers run inside', async () => {
    const queue = newQueueName();
    const trace = new AsyncLocalStorage<string>();
    const traced = requests({ traced: () => trace.getStore() });
    const server = new ElkMqServer({ queue, url });
    await startApp(moduleOf(traced, ...handlers), server);
    const [started, ended]: [string[], string[]] = [[], []];
    server.setOnProcessingStartHook((transportId, context, done) => {
      started.push(`${String(transportId)} ${(context as ElkMqContext).getPattern()}`);
      return void trace.run('inside', done);
    });
    server.setOnProcessingEndHook((transportId, context) => {
      ended.push(`${String(transportId)} ${(context as ElkMqContext).getPattern()}`);
    });

    const client = startClient({ queue });
    for (const pattern of ['ok', 'refused', 'unknown']) await told(client.send(pattern, {}));
    for (const pattern of ['placed', 'failing', 'lost']) await told(client.emit(pattern, {}));
    expect(await lastValueFrom(client.send('traced', {}))).toBe('inside');
    await until(() => ended.length === 7);
    const all = ['ok', 'refused', 'unknown', 'placed', 'failing', 'lost', 'traced'];
    expect(started.sort()).toEqual(all.map((pattern) => `Symbol(ELKMQ) ${pattern}`).sort());
    expect(ended.sort()).toEqual(started);
  });

  it.each([
    ['throws', brokenHook],
    ['rejects', () => Promise.reject(new Error('a broken hook'))],
  ])('one that %s fails its message, and no other', async (_how, fails: () => unknown) => {
    const queue = newQueueName();
    const server = new ElkMqServer({ queue, url, concurrency: 2 });
    await startApp(moduleOf(...handlers), server);
    let count = 0;
    const everySecond = (run: () => unknown) => (count++ % 2 === 0 ? fails() : run()) as undefined;
    server.setOnProcessingStartHook((_transportId, _context, done) => everySecond(done));

    const client = startClient({ queue });
    const ten = Array.from({ length: 10 }, (_, id) => id);
    const answers = await Promise.all(ten.map((id) => told(client.send('ok', id))));
    const failures = answers.map((list) => list.at(-1)).filter((last) => last?.kind === 'E');
    const error = { status: 'error', message: 'Internal server error' };
    expect(failures).toMatchObject(Array(5).fill({ error }));

    await Promise.all(ten.map((id) => told(client.emit('placed', id))));
    await until(async () => (await unsettled(queue)) === 0);
    const letter = { reason: 'failed', error: { message: 'a broken hook' } };
    expect(await deadLettersOf(queue)).toMatchObject(Array(5).fill(letter));
    expect(logs).toContainEqual(expect.stringContaining('a broken hook'));
  });
});

describe('listen', () => {
  it('rejects with a ConnectionError when Redis cannot be reached within connectTimeout', async () => {
    const strategy = new ElkMqServer({
      queue: newQueueName(),
      url: 'redis://127.0.0.1:1',
      connectTimeout: 1_000,
    });
    const app = closing(await NestFactory.createMicroservice(moduleOf(echo), { strategy }));
    const start = performance.now();
    const error = await rejection(app.listen());
    expect(performance.now() - start).toBeGreaterThan(990);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/within 1000 ms.*ECONNREFUSED/) as unknown,
    });
  });

  it('fails while the server listens already, and the close ends what listens', async () => {
    const queue = newQueueName();
    const strategy = new ElkMqServer({ queue, url });
    const app = await startApp(moduleOf(echo), strategy);
    const listensAlready = {
      message: expect.stringContaining(`queue '${queue}' listens already`) as unknown,
    };
    expect(await rejection(app.listen())).toMatchObject(listensAlready);
    expect(await lastValueFrom(startClient({ queue }).send('echo', 1))).toBe(1);
    await app.close();
    expect(await redis.hlen(`${queue}(workers)`)).toBe(0);
    expect(await redis.xinfo('CONSUMERS', `${queue}(event_stream)`, 'elkmq')).toEqual([]);
    await listening(strategy);
    expect(await lastValueFrom(startClient({ queue }).send('echo', 2))).toBe(2);
  });

  it('goes on when an earlier start fails, which a close has stopped', async () => {
    const queue = newQueueName();
    const server = new ElkMqServer({ queue, url });
    const stopped = rejection(listening(server));
    const closed = server.close();
    await listening(server);
    expect(await stopped).toBeInstanceOf(ConnectionError);
    await closed;
    expect(await server.state()).toMatchObject({ workers: 1 });
  });

  it.each<[string, (app: INestApplication, strategy: ElkMqServer) => Promise<unknown>]>([
    [
      'startAllMicroservices is called twice',
      async (app, strategy) => {
        app.connectMicroservice({ strategy });
        await app.startAllMicroservices();
        return app.startAllMicroservices();
      },
    ],
    [
      'two microservices have one server',
      (app, strategy) => {
        app.connectMicroservice({ strategy });
        app.connectMicroservice({ strategy });
        return app.startAllMicroservices();
      },
    ],
  ])('fails when %s, and the close ends what listens', async (_how, listenTwice) => {
    const queue = newQueueName();
    const app = closing(await NestFactory.create(moduleOf(echo)));
    const error = await rejection(listenTwice(app, new ElkMqServer({ queue, url })));
    expect(error).toMatchObject({ message: expect.stringContaining('listens already') as unknown });
    await app.close();
    expect(await redis.hlen(`${queue}(workers)`)).toBe(0);
  });

  it('tells its status, and gives its ioredis client', async () => {
    const queue = newQueueName();
    const strategy = new ElkMqServer({ queue, url });
    const told: string[] = [];
    strategy.status.subscribe((status) => told.push(status));
    strategy.on('reconnecting', () => told.push('on reconnecting'));
    const app = closing(await NestFactory.createMicroservice(moduleOf(echo), { strategy }));
    expect(() => strategy.unwrap()).toThrow('Not listening. Call "listen"');
    await app.listen();
    await killConnection(app.unwrap<Redis>());
    await until(() => told.length === 4);
    expect(await lastValueFrom(startClient({ queue }).send('echo', 1))).toBe(1);
    await app.close();
    expect(told).toEqual(['connected', 'reconnecting', 'on reconnecting', 'connected', 'disconnected']);
  });
});
