import { parseInteger, parseMembers, parseMilliseconds } from '../model/options.js';

/** The limits of what is kept for a subscription whose workers do not come. */
export interface Retention {
  /**
   * The number of messages in the queue of the subscription, those that run included. Beyond it the messages
   * that have waited longest are deleted. Default 1,000,000.
   */
  readonly max: number;
  /** The time for which a message may wait, ms. Default 604,800,000 (7 days). */
  readonly maxAge: number;
}

export const DEFAULT_RETENTION: Retention = { max: 1_000_000, maxAge: 604_800_000 };

/** A subscription of a topic. */
export interface Subscription {
  readonly name: string;
  /** The actions that it gets. Dots separate words, `*` is one word, `#` is any number of words. */
  readonly patterns: readonly string[];
  readonly retention: Retention;
  /** The time at which it was added, ms since 1970. It gets what is published from then on. */
  readonly since: number;
}

/**
 * Checks the retention of a subscription.
 * @returns what is given
 * @throws {InvalidOptionError}
 */
export function parseRetention(given: unknown = {}): Partial<Retention> {
  const { max, maxAge } = parseMembers('retention', given, ['max', 'maxAge']);
  const longest = Number.MAX_SAFE_INTEGER;
  return {
    ...(max !== undefined && { max: parseInteger('retention.max', max, 0, 1) }),
    ...(maxAge !== undefined && { maxAge: parseMilliseconds('retention.maxAge', maxAge, 0, longest) }),
  };
}
