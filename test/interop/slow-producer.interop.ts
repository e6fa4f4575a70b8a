import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { allTaken, endOriginal, endWorker, expectNothingLeft, startWorker, TIMEOUT } from './mix.js';
import { rust } from './original.js';

it('competing consumers, and original producers stopped for 3 s between XADD and LPUSH: each message is taken once', async () => {
  const queue = newQueueName();
  const worker = await startWorker(queue, true);
  const server = rust.server(queue, 100);
  const proxy = closing(await Proxy.before(url));
  // The answer to XADD is on its way for so long that the process can be stopped before it has it.
  proxy.delay = 1_000;
  const producers = Array.from({ length: 6 }, (_, id) =>
    rust.start('produce', proxy.url, queue, id, 1, TIMEOUT),
  );
  await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === producers.length);
  for (const producer of producers) producer.kill('SIGSTOP');
  await sleep(3_000);
  expect(await redis.llen(`${queue}(message_queue)`)).toBe(0);
  expect(await redis.xlen(`${queue}(event_stream)`)).toBe(producers.length);
  for (const producer of producers) producer.kill('SIGCONT');
  await Promise.all(producers.map(({ output }) => output));
  await allTaken(queue);
  const taken = [...(await endOriginal(server)), ...(await endWorker(worker))];
  expect(taken.map((note) => note.slice(0, 7)).sort()).toEqual(producers.map((_, id) => `note #${id}`));
  await startWorker(queue, true);
  await expectNothingLeft(queue);
});
