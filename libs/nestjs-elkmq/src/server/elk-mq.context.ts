import { BaseRpcContext } from '@nestjs/microservices';
import { AttemptEndedError, RejectedError, type ServiceEvent, type Timestamp } from 'elkmq';
import { readStrings, type Backoff, type Delivery } from 'elkmq/internal';
import { CONTEXT } from '../brands.js';
import { messageDelay } from '../message-options.js';

/** The delay of `retry` when neither the call nor a policy gives one, ms. */
const DEFAULT_DELAY_MS = 1_000;

/** @internal The error that a handler threw, when an `ElkMqErrorInterceptor` sees it. */
export interface OriginalError {
  isWatched: boolean;
  error?: unknown;
}

/** Gives a handler the facts about the message that it handles: `@Ctx() context: ElkMqContext`. */
export class ElkMqContext extends BaseRpcContext<[queue: string, event: ServiceEvent]> {
  /** @internal */
  readonly originalError: OriginalError = { isWatched: false };
  readonly #delivery: Delivery;
  readonly #message: { isRequest: boolean; backoff: Backoff | undefined };

  /** @internal */
  constructor(
    queue: string,
    delivery: Delivery,
    message: { isRequest: boolean; backoff: Backoff | undefined },
  ) {
    super([queue, delivery.queued.event]);
    this.#delivery = delivery;
    this.#message = message;
  }

  /** @internal */
  get [CONTEXT](): true {
    return true;
  }

  /**
   * Aborts when the work of the handler has become useless: at the deadline of a request, soon after its
   * caller stopped waiting, when the worker has waited for `drainTimeout` at shutdown, and when another
   * worker took the message because this one seemed dead. Its `reason` is a `TimeoutExpiredError`, a
   * `CancelledError` or an `AbandonedError`.
   */
  get signal(): AbortSignal {
    return this.#delivery.signal(this.#message.isRequest);
  }

  /**
   * Ends this attempt. The message comes again as the next attempt, whatever the handler returns or throws
   * from now on. This call ignores the `attempts` of a retry policy; `getAttempt()` returns the number of
   * attempts so far.
   * @param delay ms until the next attempt; default: the back-off of the handler's policy, or 1,000
   * @throws {AttemptEndedError} when this attempt has ended, or has answered already
   */
  retry(delay?: number): void {
    const fallback = this.#message.backoff?.(this.getAttempt()) ?? DEFAULT_DELAY_MS;
    const wait = delay === undefined ? fallback : messageDelay(delay);
    this.#check();
    this.#delivery.end({ kind: 'retry', delayMs: wait });
  }

  /**
   * Ends this attempt. The message becomes a dead letter with the reason `rejected` and this text, whatever
   * the handler returns or throws from now on. The caller of a request gets a `RejectedError`.
   * @throws {AttemptEndedError} when this attempt has ended, or has answered already
   */
  deadLetter(reason: string): void {
    this.#check();
    const error = new RejectedError(reason);
    this.#delivery.end({ kind: 'dead-letter', reason: 'rejected', error, errorForCaller: error });
  }

  #check(): void {
    if (this.#delivery.outcome) throw new AttemptEndedError('this attempt has ended already');
    if (this.#delivery.hasAnswered) throw new AttemptEndedError('this attempt has answered already');
  }

  /** Returns the pattern that the message was sent to. */
  getPattern(): string {
    return this.getEvent().action;
  }

  /** Returns the name of the queue. */
  getQueue(): string {
    return this.args[0];
  }

  /** Returns the message as it is in the queue. */
  getEvent(): ServiceEvent {
    return this.args[1];
  }

  /** Returns the message's id. It is the same in each attempt. */
  getOrigin(): string {
    return this.#delivery.queued.origin;
  }

  /** Returns the time at which Redis stored the message, ms since 1970. */
  getTimestamp(): Timestamp {
    return this.#delivery.queued.timestamp;
  }

  /** Returns the deadline, at which the timeout of the message ends, ms since 1970 on the clock of Redis. */
  getDeadline(): number {
    return this.#delivery.deadline;
  }

  /** Returns the number of this attempt, from 1. */
  getAttempt(): number {
    return this.#delivery.queued.attempt;
  }

  /** Returns the ordering key of the message; `undefined` when it has none. */
  getOrderingKey(): string | undefined {
    return this.#delivery.queued.orderingKey;
  }

  /**
   * Returns a text that rises with each start of a message of this ordering key: `MILLISECONDS-NUMBER`,
   * compared number by number. A store that refuses a lower one than it has seen is safe from a worker that
   * was given up and still runs. `undefined` when the message has no ordering key.
   */
  getOrderingToken(): string | undefined {
    return this.getOrderingKey() === undefined ? undefined : this.#delivery.id;
  }

  /** Returns the headers of the record that was sent; empty when it had none. */
  getHeaders(): Record<string, string> {
    return readStrings(this.#delivery.queued.headers);
  }

  /**
   * Returns the metadata that the hook of `setOnDispatchHook` put into the packet; empty when there are none.
   */
  getMetadata(): Record<string, string> {
    return readStrings(this.#delivery.queued.metadata);
  }
}
