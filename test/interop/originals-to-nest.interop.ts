import { lastValueFrom } from 'rxjs';
import { ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { messageOf } from '../processes/interop-messages.js';
import { newQueue } from '../support/event-queue.js';
import { TestProcess } from '../support/processes.js';
import { newQueueName, redis, until, url } from '../support/queue.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { expectNothingLeft } from './mix.js';
import { rust, texts } from './original.js';

it('an EventQueue answers requests of the original', async () => {
  const queue = newQueueName();
  const answerer = newQueue(queue);
  const answers = rust.request(queue, 0, 50, 10);
  for (let count = 0; count < 50; count++) {
    const [, request] = await answerer.dequeueBlocking(20);
    await answerer.enqueueResponse(ServiceEvent.responseTo(request, 'any', request.payload));
  }
  expect(await answers).toEqual({ answered: 50, problems: [] });
});

it('an EventQueue takes events of the original, with all they say', async () => {
  const queue = newQueueName();
  const taker = newQueue(queue);
  await rust.produce(queue, 0, texts.length);
  for (const id of texts.keys()) {
    const { text } = messageOf(id, texts);
    const [, { action, timeout, payload }] = await taker.dequeue();
    expect([action, timeout]).toEqual(['note', 60]);
    expect(payload).toBe(id % 2 === 0 ? JSON.stringify({ id, text }) : `#${id} ${text}`);
  }
});

it('a request of the original that nobody answers ends, and is taken by a worker that comes later', async () => {
  const queue = newQueueName();
  expect(await rust.request(queue, 0, 1, 1)).toEqual({ answered: 0, problems: ['0: TimeoutExpired'] });
  expect(await redis.llen(`${queue}(message_queue)`)).toBe(1);
  const worker = await TestProcess.start('interop-worker', url, queue);
  await until(async () => (await redis.llen(`${queue}(message_queue)`)) === 0);
  await worker.stop();
});

it('on a queue that the original used before, what it consumed is not handed out, what waits is, and in the end all is gone', async () => {
  const queue = newQueueName();
  await rust.produce(queue, 0, 300, 2);
  const consumer = rust.consumer(queue, 100);
  await until(async () => (await redis.llen(`${queue}(message_queue)`)) === 0);
  const consumed = (await consumer.stop()).length;
  await rust.produce(queue, 1_000, 20, 20);
  // Ours, without an original consumer who would take it.
  const client = startClient({ queue });
  await lastValueFrom(client.emit('note', 'ours'), { defaultValue: undefined });
  await client.close();
  const taken: unknown[] = [];
  await startApp(moduleOf(events({ note: (data: unknown) => taken.push(data) })), { queue });
  await until(() => taken.length >= 21);
  await expectNothingLeft(queue);
  expect([consumed, taken.length]).toEqual([300, 21]);
});
