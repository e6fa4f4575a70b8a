import { DEAD_LETTER_REASONS, type DeadLetter, type DeadLetterReason } from './dead-letter.js';
import { InvalidOptionError } from '../model/errors.js';
import { formatValue, parseMembers } from '../model/options.js';

/** Chooses dead letters: a letter must have every given value. `{}` chooses all letters. */
export interface DeadLetterFilter {
  /** The reason why the message was not handled. */
  readonly reason?: DeadLetterReason | undefined;
  /** The action of its event. Nest's clients write the normalised pattern there. */
  readonly action?: string | undefined;
}

const KNOWN = ['reason', 'action'] as const;

/**
 * Refuses a value that is no filter. A misspelt member would otherwise choose all letters.
 * @throws {InvalidOptionError}
 */
export function checkFilter(given: unknown): void {
  const { reason, action } = parseMembers('the filter of dead letters', given, KNOWN);
  if (reason !== undefined && !(DEAD_LETTER_REASONS as readonly unknown[]).includes(reason)) {
    throw new InvalidOptionError(
      `reason must be one of ${DEAD_LETTER_REASONS.join(', ')}, got ${formatValue(reason)}`,
    );
  }
  if (action !== undefined && typeof action !== 'string') {
    throw new InvalidOptionError(`action must be a string, got ${formatValue(action)}`);
  }
}

/** Whether the filter chooses every letter. */
export function isForAll({ reason, action }: DeadLetterFilter): boolean {
  return reason === undefined && action === undefined;
}

export function matchesFilter(letter: DeadLetter, { reason, action }: DeadLetterFilter): boolean {
  return (
    (reason === undefined || letter.reason === reason) &&
    (action === undefined || letter.event?.action === action)
  );
}
