import type { DeadLetterCap, DeadLetterReason } from '../core/dead-letters/dead-letters.js';
import type { WorkerListener } from '../core/handling/worker.js';
import { messageOf } from '../core/thrown.js';
import type { Log } from './safe-log.js';

/** Why a message was not handled, where no error says it. */
const EXPLAINED: Partial<Record<DeadLetterReason, string>> = {
  unhandled: 'no handler has this pattern',
  expired: 'its timeout passed before a worker had it',
};

/** The lines that a worker's log has of its queue. */
export function workerLog(
  queue: string,
  { max, maxAge }: DeadLetterCap,
  log: Log,
): Pick<WorkerListener, 'dropped' | 'warned' | 'trimmed'> {
  const warnOfTrimmed = (count: number, why: string): void => {
    if (count > 0) log.warn(`${String(count)} dead letters of queue '${queue}' were dropped: ${why}`);
  };
  return {
    dropped(what, reason, error) {
      const why = EXPLAINED[reason] ?? messageOf(error);
      log.error(`Queue '${queue}': ${what} was not handled (${reason}): ${why}`);
    },
    warned(message) {
      log.warn(`Queue '${queue}': ${message}`);
    },
    trimmed(tooMany, tooOld) {
      warnOfTrimmed(tooMany, `more than deadLetters.max (${String(max)})`);
      warnOfTrimmed(tooOld, `older than deadLetters.maxAge (${String(maxAge)} ms)`);
    },
  };
}
