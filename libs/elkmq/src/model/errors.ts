/** The `code` of every error that this package raises, for `switch (error.code)`. */
export type EventQueueErrorCode =
  | 'ABANDONED'
  | 'ATTEMPT_ENDED'
  | 'BUFFER_FULL'
  | 'CANCELLED'
  | 'CONNECTION_FAILED'
  | 'DEQUEUE_FAILED'
  | 'ENQUEUE_FAILED'
  | 'INVALID_EVENT'
  | 'INVALID_OPTION'
  | 'JSON_DUMP_FAILED'
  | 'JSON_PARSE_FAILED'
  | 'OLDER_WORKER'
  | 'PAYLOAD_TOO_LARGE'
  | 'QUEUE_EMPTY'
  | 'QUEUE_FULL'
  | 'REJECTED'
  | 'TIMEOUT_EXPIRED'
  | 'TOO_MANY_SUBSCRIPTIONS'
  | 'UNROUTED'
  | 'UNSUBSCRIBED';

/** The base of every error of this package. `cause` holds the error that led to it, if there is one. */
export abstract class EventQueueError extends Error {
  /** The kind of error. It does not change from version to version. */
  abstract readonly code: EventQueueErrorCode;
  /** The name of its class. It stays the same when a bundler has given the class another name. */
  override readonly name: string = 'EventQueueError';
}

/** Redis could not be reached, or went away, and did not come back within the time allowed. */
export class ConnectionError extends EventQueueError {
  override readonly name: string = 'ConnectionError';
  readonly code = 'CONNECTION_FAILED';
}

/**
 * Redis refused to store an event or an answer: out of memory, no permission, a key of another type, too
 * large.
 */
export class EnqueueError extends EventQueueError {
  override readonly name: string = 'EnqueueError';
  readonly code = 'ENQUEUE_FAILED';
}

/** Redis refused to hand out an event. */
export class DequeueError extends EventQueueError {
  override readonly name: string = 'DequeueError';
  readonly code = 'DEQUEUE_FAILED';
}

/** A value cannot be written as JSON (cyclic, a BigInt, a function, a lone surrogate). */
export class JsonDumpError extends EventQueueError {
  override readonly name: string = 'JsonDumpError';
  readonly code = 'JSON_DUMP_FAILED';
}

/** An entry of the queue is not the JSON of a service event. */
export class JsonParseError extends EventQueueError {
  override readonly name: string = 'JsonParseError';
  readonly code = 'JSON_PARSE_FAILED';
}

/** No event was waiting, or none came within the given time. */
export class EmptyQueueError extends EventQueueError {
  override readonly name: string = 'EmptyQueueError';
  readonly code = 'QUEUE_EMPTY';
}

/**
 * No response came within the timeout of the event. The request was cancelled if no worker had taken it yet.
 */
export class TimeoutExpiredError extends EventQueueError {
  override readonly name: string = 'TimeoutExpiredError';
  readonly code = 'TIMEOUT_EXPIRED';
}

/** A payload is larger than `maxPayloadBytes`. Nothing was sent. */
export class PayloadTooLargeError extends EventQueueError {
  override readonly name: string = 'PayloadTooLargeError';
  readonly code = 'PAYLOAD_TOO_LARGE';
}

/** The queue holds as many messages as `maxQueueLength` allows. The event was not stored. */
export class QueueFullError extends EventQueueError {
  override readonly name: string = 'QueueFullError';
  readonly code = 'QUEUE_FULL';
}

/** Messages of `maxBufferedBytes` wait for Redis already. The event was not sent. */
export class BufferFullError extends EventQueueError {
  override readonly name: string = 'BufferFullError';
  readonly code = 'BUFFER_FULL';
}

/** A part of a service event is not what the wire format can carry. */
export class InvalidEventError extends EventQueueError {
  override readonly name: string = 'InvalidEventError';
  readonly code = 'INVALID_EVENT';
}

/**
 * An option has a value that is not accepted. The message names the option, its value and what is accepted.
 */
export class InvalidOptionError extends EventQueueError {
  override readonly name: string = 'InvalidOptionError';
  readonly code = 'INVALID_OPTION';
}

/** The worker that had taken the request has gone, and the request is not run again. */
export class AbandonedError extends EventQueueError {
  override readonly name: string = 'AbandonedError';
  readonly code = 'ABANDONED';
}

/** The caller of the request stopped waiting for the reply while a handler worked on it. */
export class CancelledError extends EventQueueError {
  override readonly name: string = 'CancelledError';
  readonly code = 'CANCELLED';
}

/**
 * A handler moved its message to the dead letters with `context.deadLetter(reason)`. The message is that
 * reason.
 */
export class RejectedError extends EventQueueError {
  override readonly name: string = 'RejectedError';
  readonly code = 'REJECTED';
}

/**
 * A worker of an earlier version takes messages that it cannot handle in order, or serves one partition of
 * the queue only. A client reports it, and goes on.
 */
export class OlderWorkerError extends EventQueueError {
  override readonly name: string = 'OlderWorkerError';
  readonly code = 'OLDER_WORKER';
}

/** A handler asked for something too late: this attempt has ended, or has answered already. */
export class AttemptEndedError extends EventQueueError {
  override readonly name: string = 'AttemptEndedError';
  readonly code = 'ATTEMPT_ENDED';
}

/** No subscription of the topic has a pattern for the event, and `requireSubscription` is set. */
export class UnroutedError extends EventQueueError {
  override readonly name: string = 'UnroutedError';
  readonly code = 'UNROUTED';
}

/** The subscription was removed from its topic. Its workers stop, and do not bring it back. */
export class UnsubscribedError extends EventQueueError {
  override readonly name: string = 'UnsubscribedError';
  readonly code = 'UNSUBSCRIBED';
}

/** The topic has as many subscriptions as it can have. */
export class TooManySubscriptionsError extends EventQueueError {
  override readonly name: string = 'TooManySubscriptionsError';
  readonly code = 'TOO_MANY_SUBSCRIPTIONS';
}
