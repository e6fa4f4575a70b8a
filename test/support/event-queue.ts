import { EventQueue, type EventQueueOptions, type RedisSourceInput } from 'nestjs-elkmq';
import { closing, newQueueName, url } from './queue.js';

/** A queue that is closed when the test is over. */
export function newQueue(
  name = newQueueName(),
  redis: RedisSourceInput = url,
  options: EventQueueOptions = {},
): EventQueue {
  return closing(new EventQueue(name, redis, options));
}

/** A queue whose calls wait for a Redis that is away. @param enqueueTimeout ms */
export function patientQueue(
  redis: RedisSourceInput,
  name = newQueueName(),
  enqueueTimeout = 120_000,
): EventQueue {
  return newQueue(name, redis, { enqueueTimeout });
}

/** A queue whose calls fail soon when Redis is away. @param enqueueTimeout ms */
export function hastyQueue(redis: RedisSourceInput, name = newQueueName(), enqueueTimeout = 600): EventQueue {
  return newQueue(name, redis, { enqueueTimeout });
}
