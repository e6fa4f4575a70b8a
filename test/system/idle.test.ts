import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { lastValueFrom, Subject } from 'rxjs';
import { expect, it } from 'vitest';
import { events, moduleOf, requests, startApp, startClient, unsettled } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';
import { mayRun } from '../support/test-redis.js';

/** Counts the commands that the server has carried out, those of scripts among them, and EXISTS and HMGET. */
async function commandsOf(client: Redis): Promise<{ all: number; exists: number; hmget: number }> {
  const stats = await client.info('commandstats');
  const sum = (calls: RegExp) => [...stats.matchAll(calls)].reduce((total, [, n]) => total + Number(n), 0);
  return {
    all: sum(/^cmdstat_(?!info)\S+:calls=(\d+)/gm),
    exists: sum(/^cmdstat_exists:calls=(\d+)/gm),
    hmget: sum(/^cmdstat_hmget:calls=(\d+)/gm),
  };
}

it('workers without work and a client that waits send Redis next to nothing', async () => {
  const server = await ownRedis();
  const { url } = server;
  const inspector = clientOf(server);
  const queue = newQueueName();
  const waiting = new Subject<number>();
  const handlers = moduleOf(requests({ wait: () => waiting, echo: (data: unknown) => data }));
  for (let worker = 0; worker < 3; worker++) await startApp(handlers, { queue, url });
  const client = startClient({ queue, url });
  const answer = lastValueFrom(client.send('wait', {}));
  await Promise.all([1, 2, 3].map((data) => lastValueFrom(client.send('echo', data))));
  await until(() => waiting.observed);

  // Each worker looks once, soon after its start, what others there are.
  await until(async () => /^cmdstat_xpending:calls=[3-9]/m.test(await inspector.info('commandstats')));
  // Of each worker, where a read cannot be unblocked.
  const reads = mayRun('client|unblock') ? 0 : 3;
  const start = performance.now();
  const before = await commandsOf(inspector);
  // That nothing is sent can only be shown by waiting. On a busy machine it takes longer.
  await sleep(3_000);
  const after = await commandsOf(inspector);
  const seconds = Math.ceil((performance.now() - start) / 1_000);
  // The worker that has the request asks whether somebody waits for it; the others do not.
  const exists = after.exists - before.exists;
  expect(exists).toBeGreaterThan(0);
  // Each looks for what original clients have left, every five seconds.
  expect(exists).toBeLessThanOrEqual(seconds * 4 + 1 + 3);
  // Each looks every second whether the queue is paused. A window has room for one look more than it has seconds.
  const hmget = after.hmget - before.hmget;
  expect(hmget).toBeGreaterThan(0);
  expect(hmget).toBeLessThanOrEqual((seconds + 1) * 3);
  expect(after.all - before.all - exists - hmget).toBeLessThan((seconds + 1) * (5 + reads));
  waiting.next(1);
  waiting.complete();
  expect(await answer).toBe(1);
});

it('messages that are done leave neither timers nor anything else open', async () => {
  const queue = newQueueName();
  const handlers = [requests({ echo: (data: unknown) => data }), events({ note: () => undefined })];
  await startApp(moduleOf(...handlers), { queue });
  const client = startClient({ queue });
  const ids = Array.from({ length: 500 }, (_, id) => id);
  const round = async () => {
    await Promise.all(ids.map((id) => lastValueFrom(client.send('echo', id))));
    for (const subscription of ids.map((id) => client.send('echo', id).subscribe()))
      subscription.unsubscribe();
    for (const id of ids) client.emit('note', { id });
    await lastValueFrom(client.send('echo', 'last'));
    await until(async () => (await unsettled(queue)) === 0);
  };
  const open = () => process.getActiveResourcesInfo().length;

  await round();
  const before = open();
  await round();
  await until(() => open() <= before + 5);
});
