// The queue without a framework: the API of the original ElkMQ, the admin of a queue, and the errors of both.
export { QueueAdmin } from './admin/queue-admin.js';
export type { QueueAdminOptions } from './admin/admin-options.js';
export type { EnqueueOptions } from './admin/admin-producer.js';
export type { BlockedKey } from './admin/blocked-keys.js';
export type { QueueChange } from './admin/message-changes.js';
export type { MessagePage, MessageQuery } from './admin/message-page.js';
export type { MoveResult, StayReason } from './admin/move-result.js';
export type { MessageFilter, SearchOptions, SearchStep } from './admin/message-search.js';
export type { MessageState, QueueMessage } from './admin/queue-message.js';
export type { QueueLimits, QueueRate } from './admin/queue-limits.js';
export type { MinuteRates } from './admin/queue-rates.js';
export type { QueuePause } from './admin/queue-pause.js';
export type { AttemptError } from './model/attempt-errors.js';
export type { AwayPartition, QueueState } from './admin/queue-state.js';
export { queues } from './admin/queues.js';
export type { FoundQueues, QueuesOptions } from './admin/queues.js';
export type { WorkerInfo } from './admin/worker-info.js';
export type { DeadLetterPage, DeadLetterQuery, DeadLetterQueue } from './dead-letters/dead-letter-queue.js';
export type { DeadLetter, DeadLetterReason } from './dead-letters/dead-letter.js';
export type { DeadLetterFilter } from './dead-letters/filter.js';
export { EventQueue } from './event-queue/event-queue.js';
export type { EnqueueEventOptions, EventQueueOptions } from './event-queue/event-queue.js';
export type { DeliveryMode } from './settling/settler.js';
export type { BackoffOptions } from './model/backoff.js';
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
  OlderWorkerError,
  PayloadTooLargeError,
  QueueFullError,
  RejectedError,
  TimeoutExpiredError,
  TooManySubscriptionsError,
  UnroutedError,
  UnsubscribedError,
} from './model/errors.js';
export type { EventQueueErrorCode } from './model/errors.js';
export { ServiceEvent } from './model/service-event.js';
export type { Timestamp, TimestampedEvent } from './model/service-event.js';
export type { DescribedError } from './model/thrown.js';
export type { Retention, Subscription } from './topics/subscription.js';
export { Topic } from './topics/topic.js';
export type { PublishingOptions, PublishOptions, SubscribeOptions, TopicOptions } from './topics/topic.js';
export type { SubscriptionState, TopicState } from './topics/topic-state.js';
export type { CredentialsFunction, ElkMqCredentials } from './redis/credentials.js';
export type { RedisSourceInput } from './redis/redis-source.js';
export { Schedules } from './schedules/schedules.js';
export type { SchedulesOptions } from './schedules/schedules.js';
export type { ScheduleState } from './schedules/schedule-state.js';
export type { MissedOccurrences, Schedule } from './schedules/schedule.js';
