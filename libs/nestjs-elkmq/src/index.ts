// These are for Nest applications.
export { ElkMqClient } from './client/elk-mq.client.js';
export { ElkMqErrorInterceptor } from './server/elk-mq.error-interceptor.js';
export { ElkMqHttpExceptionFilter } from './server/http-exception-filter.js';
export { ElkMqContext } from './server/elk-mq.context.js';
export { ElkMqEventPattern, ElkMqMessagePattern } from './server/patterns.js';
export type { ElkMqPattern } from './server/patterns.js';
export { ElkMqCron } from './server/cron.js';
export type { ElkMqCronOptions } from './server/cron.js';
export { ElkMqBatch } from './server/batch.js';
export type { ElkMqBatchOptions, ElkMqBatchResult } from './server/batch.js';
export { elkMqExtras } from './server/handler-extras.js';
export type { ElkMqHandlerExtras } from './server/handler-extras.js';
export { ElkMqModule } from './module.js';
export type {
  ElkMqClientAsyncProvider,
  ElkMqClientOptionsFactory,
  ElkMqClientProvider,
  ElkMqClients,
} from './module.js';
export { ElkMqRecord, ElkMqRecordBuilder } from './message-options.js';
export { ELKMQ, ElkMqServer } from './server/elk-mq.server.js';
export type {
  ElkMqClientOptions,
  ElkMqClientSettings,
  ElkMqOptions,
  ElkMqServerOptions,
  ElkMqServerSettings,
} from './options.js';
export type { ElkMqQueueAddress, ElkMqSubscriptionAddress, ElkMqTopicAddress } from './address-options.js';
export type { ElkMqRetryOptions } from './server/retry-policy.js';
export type {
  ElkMqOutcome,
  ElkMqProcessObserver,
  ElkMqSendObserver,
  ElkMqTelemetry,
} from './instrumentation.js';
export type { ElkMqEvents, ElkMqStatus } from './connection-events.js';

// The queue without a framework: the API of the original ElkMQ, the admin of a queue, and the errors of both.
export * from 'elkmq';
