import { it } from 'vitest';
import { newQueueName, redis, until } from '../support/queue.js';
import {
  allTaken,
  endOriginal,
  endWorker,
  expectEachOnce,
  expectNothingLeft,
  sendAll,
  startWorker,
} from './mix.js';
import { rust } from './original.js';

/** Messages and responses so far. (Redis 7 counts them.) */
async function addedTo(queue: string): Promise<number> {
  const info = (await redis.xinfo('STREAM', `${queue}(event_stream)`).catch(() => [])) as unknown[];
  return Number(info[info.indexOf('entries-added') + 1]);
}

it('original consumers are replaced one by one under load: 20,000 messages, each once, every request answered', async () => {
  const queue = newQueueName();
  const servers = [1, 2, 3].map(() => rust.server(queue, 100));
  const senders = { nest: true, originals: [rust], each: 2_500, legacyConsumers: true };
  const sending = sendAll(queue, senders);
  const workers = [];
  const byOriginals: string[] = [];
  for (const [index, server] of servers.entries()) {
    await until(async () => (await addedTo(queue)) > (index + 1) * 4_000, 60_000);
    workers.push(await startWorker(queue, true));
    byOriginals.push(...(await endOriginal(server)));
  }
  const sent = await sending;
  await allTaken(queue);
  const byNest = (await Promise.all(workers.map(endWorker))).flat();
  expectEachOnce(sent, [...byOriginals, ...byNest]);
  // How many each side took depends on their speed.

  // Without an original consumer the option is not needed any more.
  await startWorker(queue, false);
  await expectNothingLeft(queue);
});
