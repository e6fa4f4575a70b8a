import type { MessageHandler } from '@nestjs/microservices';
import type { Delivery } from '../core/handling/delivery.js';
import { messageOf, readMember } from '../core/thrown.js';
import type { ElkMqContext } from './elk-mq.context.js';
import { retryPolicy, type RetryPolicy } from './retry-policy.js';

/** What Nest makes of an error that is not an `RpcException`. */
const INTERNAL_ERROR = 'Internal server error';

/** Decides what becomes of an attempt whose handler failed. */
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

  /** Requests have only a policy of their own. @throws {InvalidOptionError} when the extras are wrong */
  policyOf(handler: MessageHandler): RetryPolicy | undefined {
    let policy = this.#policies.get(handler);
    if (policy === undefined) {
      const own = retryPolicy(handler.extras?.['retry']);
      policy = own ?? (handler.isEventHandler === true ? this.#ofServer : undefined) ?? 'none';
      this.#policies.set(handler, policy);
    }
    return policy === 'none' ? undefined : policy;
  }

  /** An event: it is tried again, or becomes a dead letter. */
  ofEvent(delivery: Delivery, handler: MessageHandler, context: ElkMqContext, error: unknown): void {
    if (!this.#isRetried(delivery, handler, context, error)) {
      this.#warnIfUnseen(`The dead letter of '${context.getPattern()}'`, context, error);
      delivery.deadLetter('failed', originalOf(context, error));
    }
  }

  /** A request that has not answered anything. @returns whether it is tried again; otherwise the error is its answer */
  ofRequest(delivery: Delivery, handler: MessageHandler, context: ElkMqContext, error: unknown): boolean {
    // It may have failed because it learnt that nobody waits for it.
    if (delivery.isCancelled) return false;
    return this.#isRetried(delivery, handler, context, error, delivery.timeLeft);
  }

  /** @param timeLeft a retry that came later than this, ms, would be for nobody */
  #isRetried(
    delivery: Delivery,
    handler: MessageHandler,
    context: ElkMqContext,
    error: unknown,
    timeLeft = Infinity,
  ): boolean {
    const policy = this.policyOf(handler);
    const { attempt, event } = delivery.queued;
    // The handler may have ended the attempt itself, by its context.
    if (!policy || delivery.isHandled || attempt >= policy.attempts) return false;
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
        // The message's own failure is what counts.
        this.#warn(`retry.when of '${event.action}' failed: ${messageOf(failure)}`);
        return false;
      }
    }
    const delay = policy.backoff(attempt);
    if (delay >= timeLeft) return false;
    delivery.retry(delay, { error: originalOf(context, error) });
    return true;
  }

  /** @param what cannot see the error; the log says so once */
  #warnIfUnseen(what: string, { originalError }: ElkMqContext, error: unknown): void {
    if (originalError.isWatched || this.#hasWarned) return;
    if (readMember(error, 'message') !== INTERNAL_ERROR) return;
    this.#hasWarned = true;
    this.#warn(
      `${what} cannot see what was thrown, only what Nest makes of it: import ElkMqModule into the root module. A hybrid application needs { inheritAppConfig: true } for connectMicroservice, too, or @UseInterceptors(ElkMqErrorInterceptor) on the controller. What guards throw stays hidden`,
    );
  }
}

/** What was thrown, where that is known. */
export function originalOf({ originalError }: ElkMqContext, error: unknown): unknown {
  return 'error' in originalError ? originalError.error : error;
}
