import { type DeliveryMode, InvalidOptionError } from 'elkmq';
import { formatValue, parseMembers } from 'elkmq/internal';
import { deliveryMode } from '../parsed-options.js';
import { retryPolicy, type ElkMqRetryOptions } from './retry-policy.js';

/** Options of one handler. They replace those of its server. */
export interface ElkMqHandlerExtras {
  /** Whether a message whose worker died is handled again. Default: the server's `delivery`. */
  readonly delivery?: DeliveryMode;
  /**
   * When a message that failed is tried again. Default: the server's `retry` for an event, never for a
   * request.
   */
  readonly retry?: ElkMqRetryOptions;
  /**
   * `'block'`: when a message with an ordering key becomes a dead letter, the messages behind it wait until
   * somebody retries or removes the letter. Default: the next message of the key goes on.
   */
  readonly order?: 'block';
}

/** The names of the extras. */
export const EXTRAS = ['delivery', 'order', 'retry'];

/**
 * Reads the option `order` of a handler.
 * @returns whether a dead letter holds its ordering key
 * @throws {InvalidOptionError}
 */
export function holdsKey(order: unknown): boolean {
  if (order === undefined || order === 'block') return order === 'block';
  throw new InvalidOptionError(`order must be 'block' or left out, got ${formatValue(order)}`);
}

/**
 * Gives types to the extras of `@EventPattern` and `@MessagePattern`, and checks them when the class is
 * defined: `@EventPattern('order.placed', elkMqExtras({ retry: { attempts: 5 } }))`.
 *
 * @returns the same object. It is never `undefined`: the type says so only to make TypeScript skip some
 * signatures of `@EventPattern` in Nest 12. Those refuse a handler whose second parameter, the context, has a
 * type
 * @throws {InvalidOptionError}
 */
export function elkMqExtras(extras: ElkMqHandlerExtras): ElkMqHandlerExtras | undefined {
  parseMembers('elkMqExtras', extras, EXTRAS);
  deliveryMode(extras.delivery);
  retryPolicy(extras.retry);
  holdsKey(extras.order);
  return extras;
}
