import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { eventsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';

it('calls that wait get what Redis sent while nothing came through, once', async () => {
  const proxy = closing(await Proxy.before(url));
  const [consumer, requester] = [0, 1].map(() =>
    newQueue(newQueueName(), proxy.url, { enqueueTimeout: 600_000 }),
  ) as [EventQueue, EventQueue];
  const others = [consumer, requester].map(({ name }) => newQueue(name));
  const [producer, responder] = others as [EventQueue, EventQueue];

  const taken = consumer.dequeueBlocking(0);
  const response = requester.awaitResponse(new ServiceEvent(60, 'ask', 'question'));
  const [, request] = await responder.dequeueBlocking(10);
  // Both connections that wait stand: Redis has the blocking read, and the subscription or the other blocking read.
  const channel = async () => (await redis.pubsub('CHANNELS', `${requester.name}(inbox):*`)) as string[];
  const reading = /cmd=xread\b.*\n|cmd=xreadgroup\b.*\n/g;
  const reads = async () => (String(await redis.client('LIST')).match(reading) ?? []).length;
  await until(async () => (await channel()).length + (await reads()) >= 2);
  const inGroup = async () => (await redis.exists(`${consumer.name}(event_stream)`)) === 1;
  await until(inGroup);
  proxy.silence(/\bBLOCK\b|subscribe/i);

  await responder.enqueueResponse(ServiceEvent.responseTo(request, 'answer', request.payload));
  await producer.enqueue(new ServiceEvent(60, 'a', 'payload'));
  expect((await response)[1].payload).toBe('question');
  expect((await taken)[1].payload).toBe('payload');
  expect(await eventsOf(consumer.name)).toEqual([]);
  await Promise.all([consumer.close(), requester.close()]);
});
