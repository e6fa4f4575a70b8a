import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { ownRedis } from '../support/own-redis.js';
import { events, logs, moduleOf, requests, startApp, startClient, valuesOf } from '../support/nest.js';
import { newQueueName, until } from '../support/queue.js';

it('an outage of Redis is two lines in the log, with the queue: one when it is away, one when it is back', async () => {
  const server = await ownRedis();
  const queue = newQueueName();
  const handlers = [requests({ echo: (data: unknown) => data }), events({ note: () => undefined })];
  const app = await startApp(moduleOf(...handlers), { queue, url: server.url });
  const client = startClient({ queue, url: server.url });
  expect(await valuesOf(client.send('echo', 1))).toEqual([1]);

  const before = logs.length;
  const since = (context: string) =>
    logs.slice(before).filter((line) => line.includes(`[${context}]`) && !line.includes('on disk'));
  const tries = [app.unwrap<Redis>(), client.unwrap<Redis>()].map((connection) => {
    const count = { made: 0 };
    connection.on('reconnecting', () => count.made++);
    return count;
  });
  await server.kill();
  const late = valuesOf(client.send('echo', 2));
  const contexts = ['ElkMqServer', 'ElkMqClient'];
  await until(() => tries.every(({ made }) => made >= 5));
  // A server that is back within a second was not away.
  await until(() => contexts.every((context) => since(context).length >= 1));
  await server.restart();
  expect(await late).toEqual([2]);
  await until(() => contexts.every((context) => since(context).length >= 2));
  for (const context of contexts) {
    expect(since(context)).toEqual([
      expect.stringMatching(new RegExp(`^warn .*'${queue}' to Redis is lost.*; reconnecting`)),
      expect.stringMatching(new RegExp(`^log .*'${queue}' to Redis is back`)),
    ]);
  }
});
