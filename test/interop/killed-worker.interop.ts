import { expect, it } from 'vitest';
import { messageOf } from '../processes/interop-messages.js';
import { newQueue } from '../support/event-queue.js';
import { TestProcess } from '../support/processes.js';
import { newQueueName, until, url } from '../support/queue.js';
import {
  allTaken,
  endOriginal,
  endWorker,
  expectEachOnce,
  expectNothingLeft,
  noteOf,
  startWorker,
  TIMEOUT,
} from './mix.js';
import { rust, texts } from './original.js';

const IN_HAND = 20;

it('a Nest worker killed with messages in hand: those are dead letters, each other one is taken once', async () => {
  const queue = newQueueName();
  const options = { url, queue, legacyConsumers: true, concurrency: IN_HAND, lease: 2_000 };
  const doomed = await TestProcess.start('leased-worker', JSON.stringify(options));
  // Not the 50th of each lot: it has no payload, and could not be told from others.
  const lots = [0, 50, 100, 150];
  await rust.produce(queue, 0, 49, TIMEOUT);
  const hung: string[] = [];
  while (hung.length < IN_HAND) {
    const { taken } = await doomed.told<{ taken: unknown }>('taken');
    hung.push(noteOf('note', taken));
  }
  const server = rust.server(queue, 100);
  const producing = lots.slice(1).map((first) => rust.produce(queue, first, 49, TIMEOUT));
  doomed.kill('SIGKILL');
  await until(() => doomed.ended !== undefined);
  expect(doomed.tells('taken')).toBe(false);
  const worker = await startWorker(queue, true);
  await Promise.all(producing);
  const { deadLetters } = newQueue(queue);
  await until(async () => (await deadLetters.count({ reason: 'abandoned' })) === IN_HAND, 60_000);
  await allTaken(queue);
  const others = [...(await endOriginal(server)), ...(await endWorker(worker))];
  const sent = lots.flatMap((first) =>
    Array.from({ length: 49 }, (_, n) => noteOf('note', messageOf(first + n, texts))),
  );
  expectEachOnce(sent, [...hung, ...others]);
  await deadLetters.remove({});
  await startWorker(queue, true);
  await expectNothingLeft(queue);
});
