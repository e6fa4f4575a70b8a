import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { InvalidOptionError } from './core/errors.js';
import { milliseconds, shown, wholeNumber } from './core/options.js';
import type { QueueState } from './core/queue-state.js';

/** An `ElkMqClient`, an `ElkMqServer`, an `EventQueue` or a `QueueAdmin`. */
export interface ElkMqHealthSource {
  /** How the queue is. @param timeout how long Redis may take to tell, ms */
  state(timeout?: number): Promise<QueueState>;
}

/** From when on a queue is down. Without limits it is down when Redis does not answer. */
export interface ElkMqHealthLimits {
  /** How long Redis may take to answer, ms. Default 1,000. */
  timeout?: number;
  /** How many messages may wait for a worker. */
  maxWaiting?: number;
  /** For how long the first of them may have been waiting, ms. */
  maxOldestWaiting?: number;
  /** How many dead letters there may be. */
  maxDeadLetters?: number;
  /**
   * How many workers must take messages, as `state().workers` counts them. Default 0: a queue without a worker is up.
   */
  minWorkers?: number;
}

const LIMITS = ['timeout', 'maxWaiting', 'maxOldestWaiting', 'maxDeadLetters', 'minWorkers'];

/**
 * Tells `@nestjs/terminus` how a queue is:
 * `health.check([() => elkmq.check('orders', client, { maxOldestWaiting: 60_000 })])`.
 */
@Injectable()
export class ElkMqHealthIndicator {
  readonly #indicators: HealthIndicatorService;

  constructor(@Inject(HealthIndicatorService) indicators: HealthIndicatorService) {
    this.#indicators = indicators;
  }

  /**
   * Is `up` or `down`, with the state of the queue and `roundTrip`, how long Redis took to tell it, ms.
   * @param key what the result is filed under
   * @throws {InvalidOptionError}
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
      const message = exceeded(state).join('; ');
      return message === '' ? indicator.up(details) : indicator.down({ ...details, message });
    } catch (error) {
      return indicator.down({ message: (error as Error).message });
    }
  }
}

function check(limits: ElkMqHealthLimits) {
  const unknown = Object.keys(limits).find((name) => !LIMITS.includes(name));
  if (unknown !== undefined) {
    throw new InvalidOptionError(`limits have no ${shown(unknown)}; they have ${LIMITS.join(', ')}`);
  }
  const limit = (name: 'maxWaiting' | 'maxOldestWaiting' | 'maxDeadLetters') =>
    wholeNumber(name, limits[name], Infinity, 0);
  const [waiting, oldest, dead] = [limit('maxWaiting'), limit('maxOldestWaiting'), limit('maxDeadLetters')];
  const workers = wholeNumber('minWorkers', limits.minWorkers, 0, 0);
  return {
    timeout: milliseconds('timeout', limits.timeout, 1_000),
    exceeded: (state: QueueState): string[] => [
      ...over(`${String(state.waiting)} messages wait for a worker`, state.waiting, waiting),
      ...over(`the first of them for ${String(state.oldestWaiting)} ms`, state.oldestWaiting, oldest),
      ...over(`there are ${String(state.deadLetters)} dead letters`, state.deadLetters, dead),
      ...(state.workers < workers
        ? [`${String(state.workers)} workers take messages, fewer than ${String(workers)}`]
        : []),
    ],
  };
}

function over(what: string, value: number, limit: number): string[] {
  return value > limit ? [`${what}, more than ${String(limit)}`] : [];
}
