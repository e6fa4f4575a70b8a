import { lastValueFrom } from 'rxjs';
import { ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { newQueue } from '../support/event-queue.js';
import { logs, startClient, valuesOf } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { countedOf } from '../support/rates.js';
import { startDoomed, startWorker } from '../support/workers.js';

it('rates are told every few seconds by a process that goes on', async () => {
  const queue = newQueue();
  await queue.enqueue(new ServiceEvent(10, 'a'));
  await queue.dequeue();
  await until(async () => (await countedOf(queue.name)).handled === 1);
  expect(await countedOf(queue.name)).toMatchObject({ stored: 1, handled: 1 });
});

it('what a worker that was killed has left is counted when another one ends it', async () => {
  const queue = newQueueName();
  const doomed = await startDoomed({ queue, maxDeliveries: 1 });
  const client = startClient({ queue });
  await valuesOf(client.emit('hang event', 1));
  await until(async () => (await client.state()).running === 1);
  doomed.kill('SIGKILL');
  const worker = await startWorker({ queue });
  await until(async () => (await worker.state()).deadLetters === 1);
  await worker.close();
  expect(await countedOf(queue)).toMatchObject({ dead: 1, handled: 0 });
});

it('a worker that cannot tell its rates says so once, and goes on to handle messages', async () => {
  const queue = newQueueName();
  await redis.set(`${queue}(rates)`, 'no hash');
  await startWorker({ queue }, { ask: () => Promise.resolve(1) });
  const client = startClient({ queue });
  const lines = () => logs.filter((line) => line.includes(`the rates of queue '${queue}': held up`));
  expect(await lastValueFrom(client.send('ask', 1))).toBe(1);
  // The worker and the client both count.
  await until(() => lines().length === 2);
  await redis.del(`${queue}(rates)`);
  await until(async () => (await countedOf(queue)).handled === 1);
  expect(lines()).toHaveLength(2);
  expect(await lastValueFrom(client.send('ask', 1))).toBe(1);
});
