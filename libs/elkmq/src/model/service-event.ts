import { InvalidEventError } from './errors.js';
import { nextRequestId } from './request-ids.js';
import { formatValue } from './options.js';

/** The time at which Redis registered the event: milliseconds since 1970 on the clock of Redis. */
export type Timestamp = number;

/** The answer of a dequeue: the time at which Redis registered the event, and the event. */
export type TimestampedEvent = [timestamp: Timestamp, event: ServiceEvent];

/** The longest timeout the wire format can carry, in seconds. */
export const MAX_TIMEOUT_SECONDS = 65_535;

/** Leads to all callers who wait for the reply to a deduplicated request. */
export interface DeduplicatedReply {
  readonly origin: string;
  readonly deduplication: string;
}

/**
 * One message. `action` says what is to be done, `payload` carries its data, and `timeout` says how long its
 * sender waits.
 */
export class ServiceEvent {
  /** Whole seconds after which nobody waits for the event any more, 1 to 65535. */
  readonly timeout: number;
  /** The work that is to be done. Consumers choose their handler by it. */
  readonly action: string;
  /** Any text, JSON by convention; `null` when there is none. */
  readonly payload: string | null;
  readonly #requestId: string;
  readonly #replyTo: string | undefined;
  readonly #deduplicatedReply: DeduplicatedReply | undefined;
  readonly #partition: number | undefined;

  /**
   * @param timeout whole seconds, 1 to 65535
   * @throws {InvalidEventError} when a part is not what the wire format can carry
   */
  constructor(timeout: number, action: string, payload?: string | null);
  /** @internal */
  constructor(
    timeout: number,
    action: string,
    payload: string | null,
    requestId: string,
    replyTo?: string,
    deduplicatedReply?: DeduplicatedReply,
    partition?: number,
  );
  constructor(
    timeout: number,
    action: string,
    payload: string | null = null,
    requestId?: string,
    replyTo?: string,
    deduplicatedReply?: DeduplicatedReply,
    partition?: number,
  ) {
    // The codec has checked an event that brings its id. It accepts a timeout of 0 as well.
    if (requestId === undefined) check(timeout, action, payload);
    this.timeout = timeout;
    this.action = action;
    this.payload = payload;
    this.#requestId = requestId ?? nextRequestId();
    this.#replyTo = replyTo;
    this.#deduplicatedReply = deduplicatedReply;
    this.#partition = partition;
  }

  /**
   * Makes the response to `request`: an event with the same uuid, for `EventQueue.enqueueResponse`.
   * @throws {InvalidEventError}
   */
  static responseTo(request: ServiceEvent, action: string, payload: string | null = null): ServiceEvent {
    checkIsEvent('request', request);
    const timeout = Math.max(request.timeout, 1);
    check(timeout, action, payload);
    const { requestId, replyTo, deduplicatedReply, partition } = request;
    return new ServiceEvent(timeout, action, payload, requestId, replyTo, deduplicatedReply, partition);
  }

  /** The unsigned 128-bit integer that ties a response to its request. */
  get uuid(): bigint {
    return BigInt(this.#requestId);
  }

  /** @internal The decimal digits of `uuid`, as the wire has them. */
  get requestId(): string {
    return this.#requestId;
  }

  /**
   * @internal The client whose inbox takes the reply. It is absent when the legacy response index takes it.
   */
  get replyTo(): string | undefined {
    return this.#replyTo;
  }

  /** @internal Is there for a request that other callers may wait for as well. */
  get deduplicatedReply(): DeduplicatedReply | undefined {
    return this.#deduplicatedReply;
  }

  /** @internal The partition from which the event was taken, if its queue has any: the reply goes there. */
  get partition(): number | undefined {
    return this.#partition;
  }
}

/**
 * Checks that an argument is an event that its constructor has checked.
 * @param name of the argument, for the error
 * @throws {InvalidEventError}
 */
export function checkIsEvent(name: string, given: unknown): void {
  if (given instanceof ServiceEvent) return;
  throw new InvalidEventError(`${name} must be a ServiceEvent, got ${formatValue(given)}`);
}

function check(timeout: number, action: string, payload: string | null): void {
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > MAX_TIMEOUT_SECONDS) {
    throw new InvalidEventError(
      `timeout must be a whole number of seconds from 1 to ${String(MAX_TIMEOUT_SECONDS)}, got ${formatValue(timeout)}`,
    );
  }
  checkText('action', action);
  if (payload !== null) checkText('payload', payload);
}

function checkText(name: string, text: unknown): void {
  if (typeof text !== 'string') {
    const accepted = name === 'payload' ? 'a string, null or undefined' : 'a string';
    throw new InvalidEventError(`${name} must be ${accepted}, got ${formatValue(text)}`);
  }
  // JSON would carry a lone surrogate as an escape. The original's reader refuses that, and the message would
  // be lost.
  if (!text.isWellFormed()) {
    throw new InvalidEventError(
      `${name} must be well-formed Unicode, got a lone surrogate in ${formatValue(text)}`,
    );
  }
}
