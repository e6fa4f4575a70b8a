// Users of `EventQueue` can rely on these types. Compiled, never run: a type that changes breaks the build.
import {
  ConnectionError,
  EventQueue,
  EventQueueError,
  QueueAdmin,
  ServiceEvent,
  TimeoutExpiredError,
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterReason,
  type DeadLetterQueue,
  type EnqueueEventOptions,
  type EventQueueErrorCode,
  type QueueState,
  type Timestamp,
  type TimestampedEvent,
  type WorkerInfo,
} from 'nestjs-elkmq';
import { Redis, type Cluster } from 'ioredis';
import { expectTypeOf } from 'vitest';

declare const queue: EventQueue;
declare const event: ServiceEvent;
declare const cluster: Cluster;

// An event.
expectTypeOf<Timestamp>().toEqualTypeOf<number>();
expectTypeOf<TimestampedEvent>().toEqualTypeOf<[timestamp: number, event: ServiceEvent]>();
expectTypeOf(event.uuid).toEqualTypeOf<bigint>();
expectTypeOf(event.timeout).toEqualTypeOf<number>();
expectTypeOf(event.action).toEqualTypeOf<string>();
expectTypeOf(event.payload).toEqualTypeOf<string | null>();
expectTypeOf(ServiceEvent.responseTo(event, 'done', null)).toEqualTypeOf<ServiceEvent>();
new ServiceEvent(1, 'action');
new ServiceEvent(1, 'action', 'payload');
// @ts-expect-error a payload is text
new ServiceEvent(1, 'action', { id: 1 });
// @ts-expect-error an event does not change
event.payload = '';

// A queue.
new EventQueue('name');
new EventQueue('name', 'redis://127.0.0.1:6379', { enqueueTimeout: 1, maxQueueLength: 1, minReplicas: 1 });
new EventQueue('name', { host: 'localhost', port: 6379 });
new EventQueue('name', () => new Redis());
new EventQueue('name', cluster);
// @ts-expect-error no such option
new EventQueue('name', undefined, { timeout: 1 });
// @ts-expect-error the name is missing
new EventQueue();

expectTypeOf(queue.name).toEqualTypeOf<string>();
expectTypeOf<EventQueue['enqueue']>().toEqualTypeOf<
  (event: ServiceEvent, options?: EnqueueEventOptions) => Promise<Timestamp>
>();
expectTypeOf<EventQueue['dequeue']>().toEqualTypeOf<() => Promise<TimestampedEvent>>();
expectTypeOf<EventQueue['dequeueBlocking']>().toEqualTypeOf<(seconds: number) => Promise<TimestampedEvent>>();
expectTypeOf<EventQueue['awaitResponse']>().toEqualTypeOf<
  (event: ServiceEvent) => Promise<TimestampedEvent>
>();
expectTypeOf<EventQueue['enqueueResponse']>().toEqualTypeOf<(response: ServiceEvent) => Promise<Timestamp>>();
expectTypeOf<EventQueue['state']>().toEqualTypeOf<(timeout?: number) => Promise<QueueState>>();
expectTypeOf<EventQueue['close']>().toEqualTypeOf<() => Promise<void>>();
expectTypeOf(queue.deadLetters).toEqualTypeOf<DeadLetterQueue>();

// The workers of a queue.
new QueueAdmin('name', 'redis://127.0.0.1:6379');
expectTypeOf<QueueAdmin['workers']>().toEqualTypeOf<(timeout?: number) => Promise<WorkerInfo[]>>();
expectTypeOf<QueueAdmin['state']>().toEqualTypeOf<(timeout?: number) => Promise<QueueState>>();
expectTypeOf<WorkerInfo['handlers']>().toEqualTypeOf<readonly string[]>();
expectTypeOf<QueueState['workers']>().toEqualTypeOf<number>();

// Its dead letters.
const { deadLetters } = queue;
expectTypeOf(deadLetters.count({ reason: 'failed' })).resolves.toEqualTypeOf<number>();
expectTypeOf(deadLetters.list({ action: 'a', limit: 1 })).resolves.toEqualTypeOf<DeadLetterPage>();
expectTypeOf<DeadLetterPage['next']>().toEqualTypeOf<string | undefined>();
expectTypeOf(deadLetters.all()).toExtend<AsyncIterable<DeadLetter>>();
expectTypeOf(deadLetters.get('1-1')).resolves.toEqualTypeOf<DeadLetter | undefined>();
expectTypeOf(deadLetters.retry({})).resolves.toEqualTypeOf<number>();
expectTypeOf<DeadLetter['event']>().toEqualTypeOf<ServiceEvent | undefined>();
expectTypeOf<DeadLetterReason>().toEqualTypeOf<
  'abandoned' | 'exhausted' | 'expired' | 'failed' | 'malformed' | 'rejected' | 'unhandled'
>();
// @ts-expect-error no such reason
void deadLetters.count({ reason: 'late' });
// @ts-expect-error all of them is `{}`
void deadLetters.remove();

// Errors.
expectTypeOf<EventQueueError>().toExtend<Error>();
expectTypeOf<EventQueueError['code']>().toEqualTypeOf<EventQueueErrorCode>();
// @ts-expect-error only its kinds are made
new EventQueueError('message');

export function told(error: unknown): string {
  if (!(error instanceof EventQueueError)) return 'not ours';
  switch (error.code) {
    case 'QUEUE_FULL':
    case 'BUFFER_FULL':
    case 'CONNECTION_FAILED':
    case 'ENQUEUE_FAILED':
    case 'PAYLOAD_TOO_LARGE':
    case 'JSON_DUMP_FAILED':
    case 'INVALID_EVENT':
    case 'INVALID_OPTION':
    case 'TOO_MANY_SUBSCRIPTIONS':
    case 'UNROUTED':
      return 'not sent';
    // @ts-expect-error no such code
    case 'NO_SUCH_CODE':
    case 'TIMEOUT_EXPIRED':
    case 'ABANDONED':
    case 'REJECTED':
    case 'CANCELLED':
    case 'ATTEMPT_ENDED':
      return 'not handled';
    case 'QUEUE_EMPTY':
    case 'DEQUEUE_FAILED':
    case 'JSON_PARSE_FAILED':
    case 'UNSUBSCRIBED':
      return 'not taken';
    case 'OLDER_WORKER':
      return 'not in order';
    default:
      expectTypeOf(error.code).toBeNever();
      return error.code;
  }
}

export function which(error: TimeoutExpiredError | ConnectionError): void {
  if (error.code === 'TIMEOUT_EXPIRED') expectTypeOf(error).toEqualTypeOf<TimeoutExpiredError>();
  else expectTypeOf(error).toEqualTypeOf<ConnectionError>();
}
