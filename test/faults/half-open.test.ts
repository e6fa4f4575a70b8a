import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { payloadsOf } from '../support/entries.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, rejection, url } from '../support/queue.js';

/** Much longer than a call needs to notice that nothing comes through any more: that it ends shows that it has noticed. */
const IN_TIME = { enqueueTimeout: 600_000 };

it('calls notice that nothing comes through any more, and get another connection', async () => {
  const proxy = closing(await Proxy.before(url));
  const producer = new EventQueue(newQueueName(), proxy.url, IN_TIME);
  const consumer = new EventQueue(newQueueName(), proxy.url, IN_TIME);
  const impatient = new EventQueue(newQueueName(), proxy.url, { enqueueTimeout: 3_000 });
  const queues = [producer, consumer, impatient].map(closing);
  for (const queue of queues) {
    await queue.enqueue(new ServiceEvent(60, 'a', 'before'));
    await queue.dequeue();
  }
  proxy.silence();
  const ended: string[] = [];
  const enqueued = producer.enqueue(new ServiceEvent(60, 'a', 'stored'));
  const dequeued = rejection(consumer.dequeue());
  const failure = rejection(impatient.enqueue(new ServiceEvent(60, 'a', 'not stored')));
  void failure.then(() => ended.push('impatient'));
  void dequeued.then(() => ended.push('consumer'));
  expect(await failure).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: 'Redis did not answer within 3000 ms',
  });
  await dequeued;
  await enqueued;
  expect(ended).toEqual(['impatient', 'consumer']);
  expect(await payloadsOf(producer.name)).toEqual(['stored']);

  // By then the others have a connection again as well, also those that had given up.
  for (const queue of [consumer, impatient]) {
    await queue.enqueue(new ServiceEvent(60, 'a', 'after'));
    expect(await payloadsOf(queue.name)).toEqual(['after']);
  }
  await Promise.all(queues.map((queue) => queue.close()));
});
