import { BaseRpcContext } from '@nestjs/microservices';
import type { Backoff } from '../core/handling/backoff.js';
import { AttemptEndedError, RejectedError } from '../core/errors.js';
import type { Delivery } from '../core/handling/delivery.js';
import type { ServiceEvent, Timestamp } from '../core/service-event.js';
import { CONTEXT } from './brands.js';
import { readStrings } from './headers.js';
import { messageDelay } from './options.js';

/** How long `retry` puts a message off where nothing says it, ms. */
const DEFAULT_DELAY = 1_000;

/** What a handler can know of the message that it handles: `@Ctx() context: ElkMqContext`. */
export class ElkMqContext extends BaseRpcContext<[queue: string, event: ServiceEvent]> {
  /** @internal What was thrown, where an `ElkMqErrorInterceptor` watches. */
  readonly originalError: { isWatched: boolean; error?: unknown } = { isWatched: false };
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
   * Fires when what the handler does has become useless: at the deadline of a request, soon after its caller has stopped
   * waiting, when its worker shuts down and has waited for `drainTimeout`, and when the message was taken away from the
   * worker because it seemed dead. Its `reason` is a `TimeoutExpiredError`, a `CancelledError` or an `AbandonedError`.
   */
  get signal(): AbortSignal {
    return this.#delivery.signal(this.#message.isRequest);
  }

  /**
   * Ends this attempt; the message comes again, as the next one, whatever the handler answers or throws from now on. It
   * does not look at the attempts of a retry policy: `getAttempt()` tells how many there were.
   * @param delay ms until then; default: the back-off of the handler's policy, or 1,000
   * @throws {AttemptEndedError} when this attempt has ended, or has answered already
   */
  retry(delay?: number): void {
    const fallback = this.#message.backoff?.(this.getAttempt()) ?? DEFAULT_DELAY;
    const wait = delay === undefined ? fallback : messageDelay(delay);
    this.#check();
    this.#delivery.retry(wait);
  }

  /**
   * Ends this attempt by moving the message to the dead letters, with the reason `rejected` and this text, whatever the
   * handler answers or throws from now on. Its requester gets a `RejectedError`.
   * @throws {AttemptEndedError} when this attempt has ended, or has answered already
   */
  deadLetter(reason: string): void {
    this.#check();
    this.#delivery.deadLetter('rejected', new RejectedError(reason));
  }

  #check(): void {
    if (this.#delivery.isHandled) throw new AttemptEndedError('this attempt has ended already');
    if (this.#delivery.hasAnswered) throw new AttemptEndedError('this attempt has answered already');
  }

  /** The pattern that the message was sent to. */
  getPattern(): string {
    return this.getEvent().action;
  }

  /** The name of the queue. */
  getQueue(): string {
    return this.args[0];
  }

  /** The message as it is in the queue. */
  getEvent(): ServiceEvent {
    return this.args[1];
  }

  /** The message's id, the same in each attempt. */
  getOrigin(): string {
    return this.#delivery.queued.origin;
  }

  /** When Redis registered the message, ms since 1970. */
  getTimestamp(): Timestamp {
    return this.#delivery.queued.timestamp;
  }

  /** When nobody waits for it any more, ms since 1970 on the clock of Redis. */
  getDeadline(): number {
    return this.#delivery.deadline;
  }

  /** 1 for the first attempt at this message. */
  getAttempt(): number {
    return this.#delivery.queued.attempt;
  }

  /** Headers of the record that was sent; empty when it had none. */
  getHeaders(): Record<string, string> {
    return readStrings(this.#delivery.queued.headers);
  }

  /** What `setOnDispatchHook` of the sending client has put into the packet; empty when it has put nothing. */
  getMetadata(): Record<string, string> {
    return readStrings(this.#delivery.queued.metadata);
  }
}
