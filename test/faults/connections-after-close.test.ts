import { type Redis } from 'ioredis';
import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { newQueue } from '../support/event-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { rejection, until } from '../support/queue.js';

/** Connections to the server, that of `admin` left out. */
async function connectionsTo(admin: Redis): Promise<number> {
  const clients = String(await admin.client('LIST'));
  return clients.trim().split('\n').length - 1;
}

async function serverWithNobody() {
  const server = await ownRedis();
  const admin = clientOf(server);
  // The first look at the server was a connection too.
  await until(async () => (await connectionsTo(admin)) === 0);
  return { server, admin };
}

it('a queue has one connection, two when it waits for events, three when it waits for responses too', async () => {
  const { server, admin } = await serverWithNobody();
  const queue = newQueue('orders', server.url);
  await queue.enqueue(new ServiceEvent(1, 'a'));
  expect(await connectionsTo(admin)).toBe(1);
  await queue.dequeueBlocking(1);
  expect(await connectionsTo(admin)).toBe(2);
  const response = queue.awaitResponse(new ServiceEvent(10, 'ask'));
  const [, request] = await queue.dequeueBlocking(10);
  await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
  await response;
  expect(await connectionsTo(admin)).toBe(3);

  await queue.close();
  await until(async () => (await connectionsTo(admin)) === 0);
  expect((await admin.keys('*')).sort()).toEqual(['orders(event_stream)', 'orders(rates)']);
});

it('a closed queue has none, whether it was connecting, waiting or cut off', async () => {
  const { server, admin } = await serverWithNobody();
  const calls: Promise<unknown>[] = [];
  const start = () => {
    const [asking, waiting] = ['orders', 'idle'].map((name) => newQueue(name, server.url)) as [
      EventQueue,
      EventQueue,
    ];
    calls.push(rejection(asking.awaitResponse(new ServiceEvent(60, 'ask'))));
    calls.push(rejection(waiting.dequeueBlocking(0)));
    return { close: () => Promise.all([asking.close(), waiting.close()]) };
  };

  await start().close();
  await until(async () => (await connectionsTo(admin)) === 0);

  const waiting = start();
  await until(async () => (await connectionsTo(admin)) === 4);
  await waiting.close();
  await until(async () => (await connectionsTo(admin)) === 0);

  const cutOff = start();
  await until(async () => (await connectionsTo(admin)) === 4);
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await cutOff.close();
  await until(async () => (await connectionsTo(admin)) === 0);

  const cutOffForLonger = start();
  await until(async () => (await connectionsTo(admin)) === 4);
  await server.kill();
  await cutOffForLonger.close();
  for (const call of calls) expect(await call).toMatchObject({ code: 'CONNECTION_FAILED' });
});
