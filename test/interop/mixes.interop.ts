import { describe, expect, it } from 'vitest';
import { events, moduleOf, startApp } from '../support/nest.js';
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
import { python, pythonModule, rust } from './original.js';

/* With two processes of each kind on each side, and 10,000 messages. */

const languages = [
  { language: 'Rust', original: rust },
  ...(pythonModule === undefined ? [] : [{ language: 'Python', original: python }]),
];
const originals = languages.map(({ original }) => original);
const queues: string[] = [];

function newQueue(): string {
  const queue = newQueueName();
  queues.push(queue);
  return queue;
}

/** Each process sends so many events, or requests, and so do a Nest process of both: in all 10,000. */
const eachOf = (senders: number) => Math.ceil(10_000 / senders / 4);

describe.each(languages)('the original in $language', ({ original }) => {
  it('produces and requests, Nest workers handle', async () => {
    const queue = newQueue();
    const workers = await Promise.all([1, 2].map(() => startWorker(queue, false)));
    const senders = { nest: false, originals: [original], legacyConsumers: false, each: eachOf(1) };
    const sent = await sendAll(queue, senders);
    await allTaken(queue);
    expectEachOnce(sent, (await Promise.all(workers.map(endWorker))).flat());
  });

  it('handles what Nest clients produce and request', async () => {
    const queue = newQueue();
    const servers = [1, 2].map(() => original.server(queue, 100));
    const senders = { nest: true, originals: [], legacyConsumers: true, each: eachOf(1) };
    const sent = await sendAll(queue, senders);
    await allTaken(queue);
    expectEachOnce(sent, (await Promise.all(servers.map(endOriginal))).flat());
  });

  it('finds an empty queue, and no id without its event, after a Nest worker has handled all and closed', async () => {
    const queue = newQueue();
    let handled = 0;
    const worker = await startApp(moduleOf(events({ note: () => handled++ })), { queue });
    await original.produce(queue, 0, 1_000);
    await until(() => handled === 1_000);
    await worker.close();
    expect(await original.consumer(queue, 0).output).toEqual([]);
    expect(await redis.llen(`${queue}(message_queue)`)).toBe(0);
  });
});

it('all produce and request, and compete for one queue', async () => {
  const queue = newQueue();
  const workers = await Promise.all([1, 2].map(() => startWorker(queue, true)));
  const servers = originals.map((original) => [1, 2].map(() => original.server(queue, 100)));
  const senders = { nest: true, originals, legacyConsumers: true, each: eachOf(1 + originals.length) };
  const sent = await sendAll(queue, senders);
  await allTaken(queue);
  const byOriginals = await Promise.all(
    servers.map(async (ofOne) => (await Promise.all(ofOne.map(endOriginal))).flat()),
  );
  const byNest = (await Promise.all(workers.map(endWorker))).flat();
  expectEachOnce(sent, [...byOriginals.flat(), ...byNest]);
  // Each had a part.
  expect(Math.min(...byOriginals.map(({ length }) => length), byNest.length)).toBeGreaterThan(0);
});

it('of all that, nothing is left in any key of the queues when its time has passed', async () => {
  expect(queues).toHaveLength(3 * languages.length + 1);
  for (const queue of queues) await startWorker(queue, true);
  for (const queue of queues) await expectNothingLeft(queue);
});
