import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { lastValueFrom, Subject } from 'rxjs';
import { expect, it } from 'vitest';
import { events, moduleOf, requests, startApp, startClient, unsettled } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';

/** How often the server has carried out each command, those of scripts among them. */
async function callsOf(client: Redis): Promise<Map<string, number>> {
  const stats = await client.info('commandstats');
  const calls = stats.matchAll(/^cmdstat_(?!info)(\S+):calls=(\d+)/gm);
  return new Map([...calls].map(([, command = '', n]) => [command, Number(n)]));
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
  answer.catch(() => undefined); // The client closes before the answer comes when the test has failed.
  await Promise.all([1, 2, 3].map((data) => lastValueFrom(client.send('echo', data))));
  await until(() => waiting.observed);

  // Each worker looks once, soon after its start, what others there are.
  await until(async () => /^cmdstat_xpending:calls=[3-9]/m.test(await inspector.info('commandstats')));
  const start = performance.now();
  const before = await callsOf(inspector);
  // That nothing is sent can only be shown by waiting. On a busy machine it takes longer.
  await sleep(3_000);
  const after = await callsOf(inspector);
  // What happens once in a time happens once more than a window is long.
  const looks = Math.ceil((performance.now() - start) / 1_000) + 1;
  const rounds = Math.ceil((performance.now() - start) / 5_000) + 1;

  const sent = new Map([...after].map(([command, calls]) => [command, calls - (before.get(command) ?? 0)]));
  const take = (...commands: string[]) => {
    const calls = commands.reduce((sum, command) => sum + (sent.get(command) ?? 0), 0);
    for (const command of commands) sent.delete(command);
    return calls;
  };
  // The worker that has the request asks four times a second whether somebody waits for it; the others do not. Each
  // looks every five seconds for what original clients have left.
  const exists = take('exists');
  expect(exists).toBeGreaterThan(0);
  expect(exists).toBeLessThanOrEqual(looks * 4 + rounds * 3);
  // Each looks every second whether the queue is paused, and when the next message is due.
  const controls = take('hmget');
  expect(controls).toBeGreaterThan(0);
  expect(controls).toBeLessThanOrEqual(looks * 3);
  expect(take('zrange')).toBeLessThanOrEqual(looks * 3);
  // A read of the client or of a worker waits a second at least.
  expect(take('xread', 'xreadgroup')).toBeLessThanOrEqual(looks * 4);
  // Every five seconds each announces itself, looks for workers that have gone, and tells its rates: 13 commands, measured.
  const others = [...sent.values()].reduce((sum, calls) => sum + calls, 0);
  expect(others, JSON.stringify([...sent].filter(([, calls]) => calls > 0))).toBeLessThanOrEqual(
    rounds * 3 * 15,
  );
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
