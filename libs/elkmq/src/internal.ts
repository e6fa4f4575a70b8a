/*
 * The Nest transport, the console and the benchmarks are built on these. They are not for applications: they
 * change without notice, together with those packages, which depend on exactly this version.
 */
export type { AdminContext } from './admin/admin-call.js';
export { describeLimits } from './admin/queue-limits.js';
export { describePause } from './admin/queue-pause.js';
export { sumOfStates } from './admin/queue-state.js';
export { keysOfPartitions, readPartitionKeys } from './admin/partition-number.js';
export {
  describeAway,
  readAllLatestRates,
  readAllWorkers,
  readWholeState,
} from './admin/partitioned-state.js';
export { readWorkers } from './admin/worker-info.js';
export { RateCounter } from './context/rate-counter.js';
export type { DeadLetterCap } from './dead-letters/dead-letter.js';
export { parseDeduplication } from './model/deduplication.js';
export type { Deduplication } from './model/deduplication.js';
export { backoff } from './model/backoff.js';
export type { Backoff } from './model/backoff.js';
export { callListener } from './model/listener.js';
export { decodeEvent, textOf, valueOf } from './model/codec.js';
export { nameOfMessage } from './model/entry.js';
export { headersOf, readStrings } from './model/headers.js';
export { toJson } from './model/json.js';
export { QueueKeys } from './model/keys.js';
export {
  DEFAULTS,
  MAX_DELAY_MS,
  parseBoolean,
  parseMembers,
  parseMilliseconds,
  parseQueueName,
  formatValue,
  parseInteger,
  checkGivenOptions,
  refuseUnknown,
} from './model/options.js';
export { parseOrderingKey } from './model/ordering-key.js';
export { parsePartitions, partitionNames, partitionOf } from './model/partitions.js';
export type { PartitionOptions } from './model/partitions.js';
export { topicPartitions } from './model/topic-keys.js';
export {
  parseSubscriptionName,
  parseTopicName,
  queueOfSubscription,
  subscriptionOfQueue,
} from './model/topic-names.js';
export { isWildcard, matchesWords } from './model/wildcards.js';
export { MAX_TIMEOUT_SECONDS } from './model/service-event.js';
export { Summary } from './model/summary.js';
export { describeThrown, isError, messageOf, nameOf, readMember } from './model/thrown.js';
export type { Failure } from './model/thrown.js';
export { clusterAt } from './redis/cluster-at.js';
export { whyOf } from './redis/connection-failure.js';
export { checkUrl } from './redis/check-source.js';
export { COMMAND_TIMEOUT_MS, Connection } from './redis/connection.js';
export type { ConnectionListener, ConnectionStatus } from './redis/connection.js';
export { PeriodicTask, type Timers } from './redis/periodic-task.js';
export { isLoginRefused, isReplyError } from './redis/redis-errors.js';
export { RedisSource } from './redis/redis-source.js';
export { SCRIPTS } from './redis/scripts.generated.js';
export { PartitionedRequester } from './requests/partitioned-requester.js';
export { Requester } from './requests/requester.js';
export type { MessageOptions, RequesterOptions } from './requests/requester-options.js';
export { sendingOptions } from './requests/sending-options.js';
export type { SendingOptions } from './requests/sending-options.js';
export type { ReplyListener } from './requests/waiting-request.js';
export { Delivery } from './settling/delivery.js';
export { ACKNOWLEDGE, DROP, EXPIRE } from './settling/outcome.js';
export { MemoryBroker } from './testing/memory-broker.js';
export { MemoryDeduplication } from './testing/memory-deduplication.js';
export { MemoryWorker } from './testing/memory-worker.js';
export { openPublisher } from './topics/partitioned-publisher.js';
export type { PublisherOptions } from './topics/publisher-options.js';
export { TopicPublisher } from './topics/publisher.js';
export { Router } from './topics/router.js';
export { parseRetention } from './topics/subscription.js';
export { requestRefused, unroutedError } from './topics/topic-errors.js';
export { publishingOptions } from './topics/topic.js';
export { readTopicState } from './topics/topic-state.js';
export { readTopicPartitions } from './topics/topic-number.js';
export { PartitionedWorker } from './worker/partitioned-worker.js';
export { SuccessorWorker } from './worker/successor-worker.js';
export { Worker } from './worker/worker.js';
export type { SuccessorListener, WorkerListener } from './worker/worker-options.js';
export { QueueContext } from './context/queue-context.js';
export { parseSchedule, parseScheduleName } from './schedules/schedule.js';
export type { DeclaredSchedule } from './schedules/schedule.js';
export { readSchedules, removeSchedule } from './schedules/schedule-state.js';
export { Scheduler } from './schedules/scheduler.js';
