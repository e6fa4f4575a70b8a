import { EventQueueError, ServiceEvent, type EventQueue } from 'nestjs-elkmq';
import { expect } from 'vitest';
import { rejection } from './queue.js';

export const event = new ServiceEvent(10, 'a', 'payload');

/** Calls all methods of `queue` at once. Returns what each of them rejects with. */
export async function failuresOf(queue: EventQueue): Promise<[call: string, error: unknown][]> {
  const calls = {
    enqueue: queue.enqueue(event),
    dequeue: queue.dequeue(),
    dequeueBlocking: queue.dequeueBlocking(3),
    awaitResponse: queue.awaitResponse(event),
    enqueueResponse: queue.enqueueResponse(ServiceEvent.responseTo(event, 'b')),
  };
  const failures = Object.values(calls).map(rejection);
  const errors = await Promise.all(failures);
  return Object.keys(calls).map((call, index) => [call, errors[index]]);
}

export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

/** The message of what `action` throws, which is an error of that code. */
export function messageOf(code: string, action: () => unknown): string {
  const error = thrownBy(action);
  expect(error).toBeInstanceOf(EventQueueError);
  expect(error).toHaveProperty('code', code);
  expect(error).toHaveProperty('name', (error as Error).constructor.name);
  return (error as Error).message;
}
