import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';

it('after FLUSHALL the messages in hand are told in one line, with a count', async () => {
  const server = await ownRedis();
  const queue = newQueueName();
  let started = 0;
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const hold = async (): Promise<void> => {
    started++;
    await held;
  };
  const app = await startApp(moduleOf(events({ hold })), { queue, url: server.url });
  const client = startClient({ queue, url: server.url });
  for (let i = 0; i < 5; i++) await lastValueFrom(client.emit('hold', i));
  await until(() => started === 5);
  await clientOf(server).flushall();
  const before = logs.length;
  letGo();
  await app.close();
  expect(logs.slice(before).filter((line) => line.includes('given up'))).toEqual([
    `error [ElkMqServer] Queue '${queue}': 5 messages were given up while they were being handled: the worker was away for longer than its lease, or the queue was deleted from Redis`,
  ]);
});

it('a read that Redis ends, as at a planned failover, is sent again, and is nothing to be told', async () => {
  const server = await ownRedis();
  const queue = newQueueName();
  let letGo = (): void => undefined;
  const held = new Promise<string>((resolve) => (letGo = () => resolve('done')));
  await startApp(moduleOf(requests({ hold: () => held })), { queue, url: server.url });
  const client = startClient({ queue, url: server.url, legacyConsumers: true });
  // The client reads the responses of legacy consumers only while a request waits.
  const reply = lastValueFrom(client.send('hold', 1));
  const look = clientOf(server);
  const blocked = async (): Promise<string[]> => {
    const list = (await look.client('LIST')) as string;
    return [...list.matchAll(/^id=(\d+) .*flags=b .*cmd=xread/gm)].map(([, id = '']) => id);
  };
  await until(async () => (await blocked()).length >= 2);
  const before = logs.length;
  for (const id of await blocked()) await look.client('UNBLOCK', id, 'ERROR');
  await until(async () => (await blocked()).length >= 2);
  letGo();
  expect(await reply).toBe('done');
  expect(logs.slice(before).filter((line) => line.startsWith('error'))).toEqual([]);
});
