import type { DeliveryMode } from '../core/recovery/recovery.js';
import { InvalidOptionError } from '../core/errors.js';
import { shown } from '../core/options.js';
import { deliveryMode, refuseUnknown } from './options.js';
import { retryPolicy, type ElkMqRetryOptions } from './retry-policy.js';

/** What a handler can have of its own, in place of what its server has. */
export interface ElkMqHandlerExtras {
  /** What becomes of a message whose worker died. Default: the server's. */
  readonly delivery?: DeliveryMode;
  /** When a message that failed is tried again. Default: the server's for an event, never for a request. */
  readonly retry?: ElkMqRetryOptions;
}

const MEMBERS = ['delivery', 'retry'];

/**
 * The extras of `@EventPattern` and `@MessagePattern`, with types, and checked when the class is defined:
 * `@EventPattern('order.placed', elkMqExtras({ retry: { attempts: 5 } }))`.
 *
 * @returns what was given. `undefined` is only in its type: so TypeScript passes over those signatures of Nest 12's
 * `@EventPattern` that refuse a handler whose second parameter, the context, has a type
 * @throws {InvalidOptionError}
 */
export function elkMqExtras(extras: ElkMqHandlerExtras): ElkMqHandlerExtras | undefined {
  if (typeof extras !== 'object' || (extras as unknown) === null) {
    throw new InvalidOptionError(
      `elkMqExtras needs an object of ${MEMBERS.join(', ')}, got ${shown(extras)}`,
    );
  }
  refuseUnknown('elkMqExtras', extras, MEMBERS);
  deliveryMode(extras.delivery);
  retryPolicy(extras.retry);
  return extras;
}
