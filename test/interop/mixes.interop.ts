import { expect, it } from 'vitest';
import { newQueueName } from '../support/queue.js';
import {
  allTaken,
  endOriginal,
  endWorker,
  expectEachOnce,
  expectNothingLeft,
  sendAll,
  startWorker,
} from './mix.js';
import { original } from './original.js';

/* With two processes of each kind on each side, and 10,000 messages. */

const queues: string[] = [];

function newQueue(): string {
  const queue = newQueueName();
  queues.push(queue);
  return queue;
}

const TEN_THOUSAND = { nest: { each: 2_500 }, all: { each: 1_250 } };

it('original producers and requesters, Nest workers', async () => {
  const queue = newQueue();
  const workers = await Promise.all([1, 2].map(() => startWorker(queue, false)));
  const senders = { nest: false, originals: true, legacyConsumers: false, ...TEN_THOUSAND.nest };
  const sent = await sendAll(queue, senders);
  await allTaken(queue);
  expectEachOnce(sent, (await Promise.all(workers.map(endWorker))).flat());
});

it('Nest producers and requesters, original consumers', async () => {
  const queue = newQueue();
  const servers = [1, 2].map(() => original.server(queue, 100));
  const senders = { nest: true, originals: false, legacyConsumers: true, ...TEN_THOUSAND.nest };
  const sent = await sendAll(queue, senders);
  await allTaken(queue);
  expectEachOnce(sent, (await Promise.all(servers.map(endOriginal))).flat());
});

it('producers and requesters of both, original consumers and Nest workers competing for one queue', async () => {
  const queue = newQueue();
  const workers = await Promise.all([1, 2].map(() => startWorker(queue, true)));
  const servers = [1, 2].map(() => original.server(queue, 100));
  const senders = { nest: true, originals: true, legacyConsumers: true, ...TEN_THOUSAND.all };
  const sent = await sendAll(queue, senders);
  await allTaken(queue);
  const byOriginals = (await Promise.all(servers.map(endOriginal))).flat();
  const byNest = (await Promise.all(workers.map(endWorker))).flat();
  expectEachOnce(sent, [...byOriginals, ...byNest]);
  expect(Math.min(byOriginals.length, byNest.length)).toBeGreaterThan(0);
});

it('of all that, nothing is left in any key of the queues when its time has passed', async () => {
  expect(queues).toHaveLength(3);
  for (const queue of queues) await startWorker(queue, true);
  for (const queue of queues) await expectNothingLeft(queue);
});
