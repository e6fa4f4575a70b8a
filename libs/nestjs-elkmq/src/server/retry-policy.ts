import { type BackoffOptions, InvalidOptionError } from 'elkmq';
import { backoff, type Backoff, formatValue, parseInteger, parseMembers } from 'elkmq/internal';
import type { ElkMqContext } from './elk-mq.context.js';

/** When a message that failed is tried again. */
export interface ElkMqRetryOptions {
  /** The greatest number of attempts at a message. The first one counts too. */
  attempts: number;
  /**
   * The time until the next attempt, ms: a fixed number, or `{ type, delay, max, jitter }`.
   * Default `{ type: 'exponential', delay: 1000 }`.
   */
  backoff?: number | BackoffOptions;
  /**
   * Returns whether an error is worth another attempt. Default: every error is. With an
   * `ElkMqErrorInterceptor` the error is the one that was thrown, with its class and fields. Without one it
   * is the error that Nest makes of it.
   */
  when?: (error: unknown, context: ElkMqContext) => boolean;
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly when: ElkMqRetryOptions['when'];
}

const MEMBERS = ['attempts', 'backoff', 'when'] as const;

/**
 * @returns `undefined` when nothing is given
 * @throws {InvalidOptionError}
 */
export function retryPolicy(given: unknown): RetryPolicy | undefined {
  if (given === undefined) return undefined;
  const options = parseMembers('retry', given, MEMBERS) as Partial<ElkMqRetryOptions>;
  if (options.attempts === undefined) {
    throw new InvalidOptionError('retry.attempts must be given, as a whole number');
  }
  if (options.when !== undefined && typeof options.when !== 'function') {
    throw new InvalidOptionError(`retry.when must be a function, got ${formatValue(options.when)}`);
  }
  return {
    attempts: parseInteger('retry.attempts', options.attempts, 1, 1),
    backoff: backoff('retry.backoff', options.backoff),
    when: options.when,
  };
}
