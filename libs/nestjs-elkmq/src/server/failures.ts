import type { MessageHandler } from '@nestjs/microservices';
import { type Delivery, messageOf, readMember } from 'elkmq/internal';
import type { ElkMqContext } from './elk-mq.context.js';
import { retryPolicy, type RetryPolicy } from './retry-policy.js';

/** Nest replaces the message of an error that is not an `RpcException` by this text. */
const INTERNAL_ERROR = 'Internal server error';

/** Decides the outcome of an attempt whose handler failed. */
export class Failures {
  readonly #ofServer: RetryPolicy | undefined;
  readonly #policies = new WeakMap<MessageHandler, RetryPolicy | 'none'>();
  readonly #warn: (message: string) => void;
  #hasWarned = false;

  /** @param policy of the server, for events */
  constructor(policy: RetryPolicy | undefined, warn: (message: string) => void) {
    this.#ofServer = policy;
    this.#warn = warn;
  }

  /**
   * Returns the policy of a handler. A handler of requests has only its own; the server's policy is for
   * events.
   * @throws {InvalidOptionError} when the extras are wrong
   */
  policyOf(handler: MessageHandler): RetryPolicy | undefined {
    let policy = this.#policies.get(handler);
    if (policy === undefined) {
      const own = retryPolicy(handler.extras?.['retry']);
      policy = own ?? (handler.isEventHandler === true ? this.#ofServer : undefined) ?? 'none';
      this.#policies.set(handler, policy);
    }
    return policy === 'none' ? undefined : policy;
  }

  /** Retries a failed event, or makes it a dead letter. */
  ofEvent(delivery: Delivery, handler: MessageHandler, context: ElkMqContext, error: unknown): void {
    if (!this.#isRetried(delivery, handler, context, error)) {
      this.#warnIfUnseen(`The dead letter of '${context.getPattern()}'`, context, error);
      delivery.end({ kind: 'dead-letter', reason: 'failed', error: originalOf(context, error) });
    }
  }

  /**
   * Retries a failed request that has not answered anything.
   * @returns whether it is tried again; otherwise the error is its answer
   */
  ofRequest(delivery: Delivery, handler: MessageHandler, context: ElkMqContext, error: unknown): boolean {
    // The handler may have failed only because it learnt that nobody waits.
    if (delivery.isCancelled) return false;
    return this.#isRetried(delivery, handler, context, error, delivery.timeLeft);
  }

  /** @param timeLeft ms until nobody waits any more; a retry that would come later is useless */
  #isRetried(
    delivery: Delivery,
    handler: MessageHandler,
    context: ElkMqContext,
    error: unknown,
    timeLeft = Infinity,
  ): boolean {
    const policy = this.policyOf(handler);
    const { attempt, event } = delivery.queued;
    // The handler may have ended the attempt itself, through its context.
    if (!policy || delivery.outcome || attempt >= policy.attempts) return false;
    if (policy.when) {
      this.#warnIfUnseen(`retry.when of '${event.action}'`, context, error);
      try {
        const isWorthIt: unknown = policy.when(originalOf(context, error), context);
        if (isWorthIt instanceof Promise) {
          isWorthIt.catch(() => undefined);
          throw new Error('it must answer true or false, and answered a promise');
        }
        if (!isWorthIt) return false;
      } catch (failure) {
        // The failure of the message itself counts, not this one.
        this.#warn(`retry.when of '${event.action}' failed: ${messageOf(failure)}`);
        return false;
      }
    }
    const delayMs = policy.backoff(attempt);
    if (delayMs >= timeLeft) return false;
    delivery.end({ kind: 'retry', delayMs, failure: { error: originalOf(context, error) } });
    return true;
  }

  /**
   * Warns once when the error that was thrown is not known.
   * @param what the part that does not get the error
   */
  #warnIfUnseen(what: string, { originalError }: ElkMqContext, error: unknown): void {
    if ('error' in originalError || this.#hasWarned) return;
    if (readMember(error, 'message') !== INTERNAL_ERROR) return;
    this.#hasWarned = true;
    this.#warn(
      `${what} cannot see what was thrown, only what Nest makes of it: import ElkMqModule into the root module. A hybrid application needs { inheritAppConfig: true } for connectMicroservice, too, or @UseInterceptors(ElkMqErrorInterceptor) on the controller. What guards throw stays hidden, and what interceptors outside of ElkMqErrorInterceptor throw`,
    );
  }
}

/** Returns the error that the handler threw when it is known, otherwise `error`. */
export function originalOf({ originalError }: ElkMqContext, error: unknown): unknown {
  return 'error' in originalError ? originalError.error : error;
}
