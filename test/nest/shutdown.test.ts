import { Inject, Injectable, Module, type OnApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import type { IncomingEvent } from '@nestjs/microservices';
import { lastValueFrom, Subject } from 'rxjs';
import { ElkMqClient, ElkMqModule, ElkMqServer } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { deadLettersOf, events, listening, logs, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, unsettled, valuesOf } from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, until, url } from '../support/queue.js';
import { Proxy } from '../support/proxy.js';

const consumersOf = (queue: string) => redis.xinfo('CONSUMERS', `${queue}(event_stream)`, 'elkmq');

it('close lets running handlers finish, and their answers arrive', async () => {
  const queue = newQueueName();
  const [prices, notes] = [new Subject<number>(), new Subject<number>()];
  const proxy = closing(await Proxy.before(url));
  const app = await startApp(moduleOf(requests({ prices: () => prices }), events({ note: () => notes })), {
    queue,
    url: proxy.url,
  });
  const client = startClient({ queue });
  const answer = valuesOf(client.send('prices', {}));
  client.emit('note', {});
  await until(() => prices.observed && notes.observed);

  let isClosed = false;
  const closed = app.close().then(() => (isClosed = true));
  await until(() => proxy.latest(/xreadgroup/i) === 0);
  prices.next(1);
  const late = valuesOf(client.send('prices', {}));
  await until(async () => (await unsettled(queue)) === 3);
  expect(isClosed).toBe(false);
  prices.next(2);
  prices.complete();
  expect(await answer).toEqual([1, 2]);
  notes.complete();
  await closed;

  expect(await unsettled(queue)).toBe(1); // what came after the close waits for another worker
  expect(await consumersOf(queue)).toEqual([]);
  await startApp(moduleOf(requests({ prices: () => 'late' })), { queue });
  expect(await late).toEqual(['late']);
});

it('close does not wait longer than drainTimeout, and says what it left', async () => {
  const queue = newQueueName();
  const prices = new Subject<number>();
  const app = await startApp(moduleOf(requests({ prices: () => prices })), { queue, drainTimeout: 300 });
  startClient({ queue })
    .send('prices', {})
    .subscribe({ error: () => undefined });
  await until(() => prices.observed);
  const start = performance.now();
  await app.close();
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(logs).toContainEqual(expect.stringMatching(/warn \[ElkMqServer\] 1 handler.* after 300 ms/));
  prices.complete();
});

it('what a closing worker has not started is handled by another, once', async () => {
  const queue = newQueueName();
  const handled: number[] = [];
  const note = ({ id }: { id: number }) => void handled.push(id);
  const count = 300;
  const client = startClient({ queue });
  await client.connect();
  for (let first = 0; first < count; first += 30) {
    const app = await startApp(moduleOf(events({ note })), { queue, concurrency: 4 });
    for (let id = first; id < first + 30; id++) client.emit('note', { id });
    // While messages are being handed out.
    await until(() => handled.length > first);
    await app.close();
  }
  await startApp(moduleOf(events({ note })), { queue });
  await until(async () => (await unsettled(queue)) === 0);
  expect(handled.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, id) => id));
  expect(await deadLettersOf(queue)).toEqual([]);
});

it('a worker that is closed while it starts what it has read leaves what is on its way to another', async () => {
  const queue = newQueueName();
  const count = 500;
  const client = startClient({ queue });
  await client.connect();
  await Promise.all(Array.from({ length: count }, (_, id) => lastValueFrom(client.emit('note', id))));

  const handled: number[] = [];
  let closed: Promise<void> | undefined;
  const deserialize = (packet: IncomingEvent) => {
    closed ??= server.close();
    return packet;
  };
  const server = new ElkMqServer({ queue, url, deserializer: { deserialize } });
  await startApp(moduleOf(events({ note: (id: number) => void handled.push(id) })), server);
  await until(() => closed !== undefined);
  await closed;
  expect(handled.length).toBeLessThan(count);
  expect(await consumersOf(queue)).toEqual([]);

  await startApp(moduleOf(events({ note: (id: number) => void handled.push(id) })), { queue });
  await until(async () => (await unsettled(queue)) === 0);
  expect(handled.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, id) => id));
});

it('what was on its way to a worker when it began to close is not started by it', async () => {
  const proxy = closing(await Proxy.before(url));
  const queue = newQueueName();
  const handled: string[] = [];
  const by = (name: string) => moduleOf(events({ note: () => void handled.push(name) }));
  const app = await startApp(by('one'), { queue, url: proxy.url });
  await until(() => proxy.latest(/xreadgroup/i) === 1);
  proxy.delay = 500;
  startClient({ queue }).emit('note', 1);
  await until(async () => (await redis.xpending(`${queue}(event_stream)`, 'elkmq'))[0] === 1);
  await app.close();
  await startApp(by('another'), { queue });
  await until(() => handled.length === 1);
  expect(handled).toEqual(['another']);
});

it('a handler that finishes during the close can still use the clients of the application', async () => {
  const [queue, other] = [newQueueName(), newQueueName()];
  const steps: string[] = [];
  const go = new Subject<void>();

  @Injectable()
  class Watch implements OnModuleDestroy, OnApplicationShutdown {
    constructor(@Inject('OTHER') readonly other: ElkMqClient) {
      this.other.status.subscribe((status) => steps.push(`client ${status}`));
    }

    onModuleDestroy = () => void steps.push('onModuleDestroy');
    onApplicationShutdown = () => void steps.push('onApplicationShutdown');
  }
  @Module({
    imports: [ElkMqModule.register([{ name: 'OTHER', queue: other, url }])],
    providers: [Watch],
  })
  class TestModule {}

  const relay = async () => {
    steps.push('started');
    await lastValueFrom(go, { defaultValue: undefined });
    steps.push(await lastValueFrom(app.get(Watch).other.send<string>('answer', {})));
  };
  await startApp(moduleOf(requests({ answer: () => 'answered' })), { queue: other });
  const module = { ...moduleOf(requests({ relay })), imports: [TestModule] };
  const app = await startApp(module, { queue });
  const relayed = valuesOf(startClient({ queue }).send('relay', {}));
  await until(() => steps.includes('started'));
  const closed = app.close();
  go.complete();
  await relayed;
  await closed;
  expect(steps.slice(0, 4)).toEqual(['started', 'client connected', 'answered', 'onModuleDestroy']);
  expect(steps.slice(4).sort()).toEqual(['client disconnected', 'onApplicationShutdown']);
});

it('close can be called again: it resolves with the first', async () => {
  const queue = newQueueName();
  const prices = new Subject<number>();
  const server = new ElkMqServer({ queue, url });
  server.addHandler('prices', () => Promise.resolve(prices));
  await listening(server);
  const answer = valuesOf(startClient({ queue }).send('prices', {}));
  await until(() => prices.observed);
  let closed = 0;
  const both = [server.close(), server.close()].map((close) => close.then(() => closed++));
  prices.next(1);
  expect(closed).toBe(0);
  prices.complete();
  await Promise.all(both);
  expect(await answer).toEqual([1]);
  expect(await consumersOf(queue)).toEqual([]);
});

it('an application that is closed keeps nothing open', async () => {
  const queue = newQueueName();
  const before = process.getActiveResourcesInfo().sort();
  const app = await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
  const client = startClient({ queue });
  expect(await lastValueFrom(client.send('echo', 1))).toBe(1);
  await client.close();
  await app.close();
  await until(() => process.getActiveResourcesInfo().length <= before.length);
  expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream' });
});
