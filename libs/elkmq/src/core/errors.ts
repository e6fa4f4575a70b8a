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
  | 'PAYLOAD_TOO_LARGE'
  | 'QUEUE_EMPTY'
  | 'QUEUE_FULL'
  | 'REJECTED'
  | 'TIMEOUT_EXPIRED';

/** Base of every error of this package. `cause` holds the error that led to it, where there is one. */
export abstract class EventQueueError extends Error {
  /** Tells the kind of error, and does not change from version to version. */
  abstract readonly code: EventQueueErrorCode;
  /** The name of its class, also where a bundler has given the class another one. */
  override readonly name: string = 'EventQueueError';
}

/** Redis could not be reached, or went away, and did not come back within the time allowed. */
export class ConnectionError extends EventQueueError {
  override readonly name: string = 'ConnectionError';
  readonly code = 'CONNECTION_FAILED';
}

/** Redis refused to store an event, or an answer (out of memory, no permission, a key of another type, too large, …). */
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

/** No event was waiting, or none came within the time given. */
export class EmptyQueueError extends EventQueueError {
  override readonly name: string = 'EmptyQueueError';
  readonly code = 'QUEUE_EMPTY';
}

/** No response came within the event's timeout. The request was withdrawn, if no worker had taken it yet. */
export class TimeoutExpiredError extends EventQueueError {
  override readonly name: string = 'TimeoutExpiredError';
  readonly code = 'TIMEOUT_EXPIRED';
}

/** A payload is larger than `maxPayloadBytes`; nothing was sent. */
export class PayloadTooLargeError extends EventQueueError {
  override readonly name: string = 'PayloadTooLargeError';
  readonly code = 'PAYLOAD_TOO_LARGE';
}

/** The queue holds as many messages as `maxQueueLength` allows; the event was not stored. */
export class QueueFullError extends EventQueueError {
  override readonly name: string = 'QueueFullError';
  readonly code = 'QUEUE_FULL';
}

/** As much as `maxBufferedBytes` allows is waiting for Redis; the event was not sent. */
export class BufferFullError extends EventQueueError {
  override readonly name: string = 'BufferFullError';
  readonly code = 'BUFFER_FULL';
}

/** A part of a service event is not what the wire format can carry. */
export class InvalidEventError extends EventQueueError {
  override readonly name: string = 'InvalidEventError';
  readonly code = 'INVALID_EVENT';
}

/** An option is not what is accepted; the message names it, its value and what is accepted. */
export class InvalidOptionError extends EventQueueError {
  override readonly name: string = 'InvalidOptionError';
  readonly code = 'INVALID_OPTION';
}

/** The worker that had taken the request went away, and the request is not run again. */
export class AbandonedError extends EventQueueError {
  override readonly name: string = 'AbandonedError';
  readonly code = 'ABANDONED';
}

/** Who had sent the request has stopped waiting for its answer while it was being handled. */
export class CancelledError extends EventQueueError {
  override readonly name: string = 'CancelledError';
  readonly code = 'CANCELLED';
}

/** A handler moved its message to the dead letters: `context.deadLetter(reason)`; the message is its reason. */
export class RejectedError extends EventQueueError {
  override readonly name: string = 'RejectedError';
  readonly code = 'REJECTED';
}

/** What a handler wants done with its message is too late: this attempt has ended, or has answered already. */
export class AttemptEndedError extends EventQueueError {
  override readonly name: string = 'AttemptEndedError';
  readonly code = 'ATTEMPT_ENDED';
}
