import type { DeadLetterReason } from '../dead-letters/dead-letter.js';
import { nameOfMessage, type QueuedEvent } from '../model/entry.js';
import type { EventQueueError } from '../model/errors.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { Failure } from '../model/thrown.js';

/** The message was handled. Its caller, if it has one, gets the replies that still wait, and their end. */
export interface Acknowledge {
  readonly kind: 'acknowledge';
}

/** Nothing more is done with the entry, and nobody is notified. Replies that still wait are not sent. */
export interface Drop {
  readonly kind: 'drop';
}

/** The message comes again as the next attempt. */
export interface Retry {
  readonly kind: 'retry';
  /** The time until then at the least, ms. */
  readonly delayMs: number;
  /** The failure of this attempt; `undefined` when its handler has asked for another one. */
  readonly failure?: Failure | undefined;
}

/** The message moves to the dead letters. */
export interface BecomeDeadLetter {
  readonly kind: 'dead-letter';
  readonly reason: DeadLetterReason;
  /** The value that its handler threw, or the reason for giving it up. */
  readonly error?: unknown;
  /** The error for its caller, if it has one. */
  readonly errorForCaller?: EventQueueError | undefined;
}

/**
 * A deduplicated request was not answered in time, or nobody waits for it any more. All its callers get an
 * error, and its key is free again.
 */
export interface Expire {
  readonly kind: 'expire';
}

/** The message of a legacy client was handled. This is the response, in the form that such a client reads. */
export interface LegacyResponse {
  readonly kind: 'legacy-response';
  readonly response: ServiceEvent;
}

/** The entry goes back to the queue at once, for any worker that is free. */
export interface Requeue {
  readonly kind: 'requeue';
  /** Whether this counts as an attempt: its worker had begun with it, and has gone. */
  readonly isAttempt: boolean;
  /** The reason for the end of that attempt. */
  readonly error?: Error | undefined;
}

/** The entry is for legacy clients. It stays in the stream until its time has passed. */
export interface LeaveToLegacy {
  readonly kind: 'leave-to-legacy';
}

/** All ways for an attempt to end. `OutcomeWriter` carries them out in Redis. */
export type Outcome =
  Acknowledge | Drop | Retry | BecomeDeadLetter | Expire | LegacyResponse | Requeue | LeaveToLegacy;

export const ACKNOWLEDGE: Acknowledge = { kind: 'acknowledge' };
export const DROP: Drop = { kind: 'drop' };
export const EXPIRE: Expire = { kind: 'expire' };
export const LEAVE_TO_LEGACY: LeaveToLegacy = { kind: 'leave-to-legacy' };

/** Is notified of outcomes of messages that were not handled. */
export interface OutcomeListener {
  /** A message ended without being handled. `error` is the reason, or the reason why even that failed. */
  notHandled(what: string, reason: DeadLetterReason, error?: unknown): void;
  /**
   * A message is tried again after `delay` ms.
   * @param failure the thrown value, unless its handler has asked for another attempt
   */
  retried(queued: QueuedEvent, delay: number, failure?: Failure): void;
}

/** Notifies the listener of the outcome of a message, unless it is a usual one. */
export function reportOutcome(listener: OutcomeListener, queued: QueuedEvent, outcome: Outcome): void {
  if (outcome.kind === 'dead-letter')
    listener.notHandled(nameOfMessage(queued), outcome.reason, outcome.error);
  else if (outcome.kind === 'retry') listener.retried(queued, Math.ceil(outcome.delayMs), outcome.failure);
}

/** Whether nobody needs to look at the message any more: it was handled, or nobody waits for it. */
export function needsNoLetter({ kind }: Outcome): boolean {
  return kind === 'acknowledge' || kind === 'drop' || kind === 'legacy-response';
}
