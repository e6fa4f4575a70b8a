import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import type { QueueState } from 'elkmq';
import { describeAway, describePause, parseInteger, parseMembers, parseMilliseconds } from 'elkmq/internal';

/** An `ElkMqClient`, an `ElkMqServer`, an `EventQueue` or a `QueueAdmin`. */
export interface ElkMqHealthSource {
  /**
   * Reads the state of the queue.
   * @param timeout the time that Redis may take, ms
   */
  state(timeout?: number): Promise<QueueState>;
}

/** The limits beyond which a queue is down. Without limits it is down only when Redis does not answer. */
export interface ElkMqHealthLimits {
  /** The time that Redis may take to answer, ms. Default 1,000. */
  timeout?: number;
  /** The greatest number of messages that may wait for a worker. Default: no limit. */
  maxWaiting?: number;
  /** The longest time that the first of them may have waited, ms. Default: no limit. */
  maxOldestWaiting?: number;
  /** The greatest number of dead letters. Default: no limit. */
  maxDeadLetters?: number;
  /** The least number of workers, by `state().workers`. Default 0: a queue without a worker is up. */
  minWorkers?: number;
}

const LIMITS = ['timeout', 'maxWaiting', 'maxOldestWaiting', 'maxDeadLetters', 'minWorkers'];

/**
 * Reports the health of a queue to `@nestjs/terminus`:
 * `health.check([() => elkmq.check('orders', client, { maxOldestWaiting: 60_000 })])`.
 */
@Injectable()
export class ElkMqHealthIndicator {
  readonly #indicators: HealthIndicatorService;

  constructor(@Inject(HealthIndicatorService) indicators: HealthIndicatorService) {
    this.#indicators = indicators;
  }

  /**
   * Checks a queue.
   *
   * A queue that is paused, or that waits for its predecessor, is not down because messages wait. Then
   * `degraded` says so, and what waits.
   * `degraded` also says that workers of an earlier version take messages with ordering keys, and which
   * partitions do not answer. The others go on, so the queue is down only when none answers.
   * @param key the name of the result
   * @returns `up` or `down`, with the state of the queue and `roundTrip`, the time that Redis took to answer,
   * ms. When Redis does not answer, only the message of the error is there
   * @throws {InvalidOptionError} when a limit is wrong
   */
  async check<Key extends string>(
    key: Key,
    queue: ElkMqHealthSource,
    limits: ElkMqHealthLimits = {},
  ): Promise<HealthIndicatorResult<Key>> {
    const { timeout, exceeded } = check(limits);
    const indicator = this.#indicators.check(key);
    const start = performance.now();
    try {
      const state = await queue.state(timeout);
      const details = { ...state, roundTrip: Math.round(performance.now() - start) };
      const { waiting, others } = exceeded(state);
      // In such a queue messages are meant to wait.
      const reasons = pauses(state);
      const paused = reasons.length > 0 ? [...reasons, ...waiting] : [];
      const degraded = [...paused, ...older(state), ...(state.away ?? []).map(describeAway)].join('; ');
      const message = (reasons.length > 0 ? others : [...waiting, ...others]).join('; ');
      const all = { ...details, ...(degraded !== '' && { degraded }) };
      return message === '' ? indicator.up(all) : indicator.down({ ...all, message });
    } catch (error) {
      return indicator.down({ message: (error as Error).message });
    }
  }
}

function check(limits: ElkMqHealthLimits) {
  parseMembers('limits', limits, LIMITS);
  const limit = (name: 'maxWaiting' | 'maxOldestWaiting' | 'maxDeadLetters') =>
    parseInteger(name, limits[name], Infinity, 0);
  const [waiting, oldest, dead] = [limit('maxWaiting'), limit('maxOldestWaiting'), limit('maxDeadLetters')];
  const workers = parseInteger('minWorkers', limits.minWorkers, 0, 0);
  return {
    timeout: parseMilliseconds('timeout', limits.timeout, 1_000),
    exceeded: (state: QueueState): { waiting: string[]; others: string[] } => ({
      waiting: [
        ...over(`${String(state.waiting)} messages wait for a worker`, state.waiting, waiting),
        ...over(`the first of them for ${String(state.oldestWaiting)} ms`, state.oldestWaiting, oldest),
      ],
      others: [
        ...over(`there are ${String(state.deadLetters)} dead letters`, state.deadLetters, dead),
        ...(state.workers < workers
          ? [`${String(state.workers)} workers take messages, fewer than ${String(workers)}`]
          : []),
      ],
    }),
  };
}

/** The reasons for which its workers take nothing. */
function pauses({ paused, waitsFor }: QueueState): string[] {
  return [
    ...(paused ? [`the queue ${describePause(paused)}`] : []),
    ...(waitsFor === undefined ? [] : [`the queue waits for ${waitsFor}`]),
  ];
}

function older({ olderWorkers = 0 }: QueueState): string[] {
  if (olderWorkers === 0) return [];
  return [`workers of an earlier version that know no ordering keys: ${String(olderWorkers)}`];
}

function over(what: string, value: number, limit: number): string[] {
  return value > limit ? [`${what}, more than ${String(limit)}`] : [];
}
