// These are for Nest applications.
export { ElkMqClient } from './nest/elk-mq.client.js';
export { ElkMqErrorInterceptor } from './nest/elk-mq.error-interceptor.js';
export { ElkMqHttpExceptionFilter } from './nest/http-exception-filter.js';
export { ElkMqContext } from './nest/elk-mq.context.js';
export { ElkMqEventPattern, ElkMqMessagePattern } from './nest/patterns.js';
export type { ElkMqPattern } from './nest/patterns.js';
export { elkMqExtras } from './nest/handler-extras.js';
export type { ElkMqHandlerExtras } from './nest/handler-extras.js';
export { ElkMqModule } from './nest/elk-mq.module.js';
export type {
  ElkMqClientAsyncProvider,
  ElkMqClientOptionsFactory,
  ElkMqClientProvider,
  ElkMqClients,
} from './nest/elk-mq.module.js';
export { ElkMqRecord, ElkMqRecordBuilder } from './nest/elk-mq.record-builder.js';
export { ELKMQ, ElkMqServer } from './nest/elk-mq.server.js';
export type { ElkMqClientOptions, ElkMqOptions, ElkMqServerOptions } from './nest/options.js';
export type { ElkMqRetryOptions } from './nest/retry-policy.js';
export type { ElkMqOutcome, ElkMqProcessing, ElkMqSending, ElkMqTelemetry } from './nest/telemetry.js';
export type { ElkMqEvents, ElkMqStatus } from './nest/connection-events.js';

// Any Node program can use these: the API of the original ElkMQ, and the admin of a queue.
export { EventQueue } from './core/event-queue.js';
export { QueueAdmin } from './core/queue-admin.js';
export type { EventQueueOptions } from './core/event-queue.js';
export type { DeadLetterPage, DeadLetterQuery, DeadLetters } from './core/dead-letters/dead-letter-office.js';
export type { DeadLetterFilter } from './core/dead-letters/dead-letter-filter.js';
export type { DeadLetter, DeadLetterReason } from './core/dead-letters/dead-letters.js';
export type { DescribedError } from './core/thrown.js';
export type { QueueState } from './core/queue-state.js';
export type { WorkerInfo } from './core/workers/worker-info.js';
export { ServiceEvent } from './core/service-event.js';
export type { Timestamp, TimestampedEvent } from './core/service-event.js';
export type { RedisSourceInput } from './core/redis/redis-source.js';
export type { CredentialsFunction, ElkMqCredentials } from './core/redis/credentials.js';
export type { BackoffOptions } from './core/handling/backoff.js';
export type { DeliveryMode } from './core/recovery/recovery.js';

// Both throw these errors.
export {
  AbandonedError,
  AttemptEndedError,
  BufferFullError,
  CancelledError,
  ConnectionError,
  DequeueError,
  EmptyQueueError,
  EnqueueError,
  EventQueueError,
  InvalidEventError,
  InvalidOptionError,
  JsonDumpError,
  JsonParseError,
  PayloadTooLargeError,
  QueueFullError,
  RejectedError,
  TimeoutExpiredError,
} from './core/errors.js';
export type { EventQueueErrorCode } from './core/errors.js';
