import { deepEqual, equal, rejects } from 'node:assert/strict';
import { EmptyQueueError, EventQueue, ServiceEvent, TimeoutExpiredError, type Timestamp } from 'nestjs-elkmq';

/** One side enqueues and asks, the other takes and answers: two EventQueues of the same name. */
export async function showReadmeExample(name: string, url: string): Promise<void> {
  const queue = new EventQueue(name, url);
  const service = new EventQueue(name, url);
  try {
    await showEvent(queue, service);
    await showRequest(queue, service);
    await showTimeout(queue);
  } finally {
    await Promise.all([queue.close(), service.close()]);
  }
}

async function showEvent(queue: EventQueue, service: EventQueue): Promise<void> {
  const enqueued = new ServiceEvent(10, 'test_event', 'serialized_data');
  const enqueuedAt = await queue.enqueue(enqueued);
  show('enqueued', enqueued, enqueuedAt);
  const [timestamp, event] = await service.dequeue();
  show('dequeued', event, timestamp);

  equal(timestamp, enqueuedAt);
  deepEqual(partsOf(event), partsOf(enqueued));
  await rejects(service.dequeue(), EmptyQueueError);
  console.log('   then      the queue is empty');
}

async function showRequest(queue: EventQueue, service: EventQueue): Promise<void> {
  const request = new ServiceEvent(10, 'test_request', 'serialized_question');
  const responding = respondOnce(service);
  const [respondedAt, response] = await queue.awaitResponse(request);
  equal(respondedAt, await responding);
  show('asked', request);
  show('answer', response, respondedAt);

  deepEqual(partsOf(response), {
    ...partsOf(request),
    action: 'test_response',
    payload: 'serialized_answer',
  });
}

async function respondOnce(service: EventQueue): Promise<Timestamp> {
  const [, request] = await service.dequeueBlocking(10);
  return service.enqueueResponse(ServiceEvent.responseTo(request, 'test_response', 'serialized_answer'));
}

async function showTimeout(queue: EventQueue): Promise<void> {
  const request = new ServiceEvent(1, 'test_request', 'nobody listens');
  show('asked', request);
  const askedAt = performance.now();
  await rejects(queue.awaitResponse(request), (error) => {
    console.log(`   after ${((performance.now() - askedAt) / 1000).toFixed(1)} s  ${String(error)}`);
    return error instanceof TimeoutExpiredError;
  });
}

function show(what: string, { timeout, action, payload, uuid }: ServiceEvent, timestamp?: number): void {
  const id = `uuid …${uuid.toString(16).slice(-8)}`;
  const at = timestamp === undefined ? '' : `, ${new Date(timestamp).toISOString()}`;
  console.log(`   ${what.padEnd(9)} ServiceEvent(${timeout}, '${action}', '${payload}'), ${id}${at}`);
}

function partsOf({ timeout, action, payload, uuid }: ServiceEvent) {
  return { timeout, action, payload, uuid };
}
