import type { DeadLetterReason } from 'elkmq';
import {
  type DeadLetterCap,
  describeLimits,
  describePause,
  messageOf,
  nameOfMessage,
  type SuccessorListener,
  type WorkerListener,
} from 'elkmq/internal';
import type { Log } from '../safe-log.js';

/** The reasons for which a message was not handled without an error. */
const EXPLAINED: Partial<Record<DeadLetterReason, string>> = {
  unhandled: 'no handler has this pattern',
  expired: 'its timeout passed before a worker had it',
};

/**
 * Writes the reports of a worker to the log.
 * @param attemptsOf returns how many attempts the retry policy of an action allows
 */
export function workerLog(
  queue: string,
  { max, maxAge }: DeadLetterCap,
  attemptsOf: (action: string) => number | undefined,
  log: Log,
): Pick<WorkerListener, 'notHandled' | 'retried' | 'lettersRemoved' | 'paused' | 'limited'> &
  SuccessorListener {
  const warnOfRemoved = (count: number, why: string): void => {
    if (count > 0) log.warn(`${String(count)} dead letters of queue '${queue}' were removed: ${why}`);
  };
  return {
    notHandled(what, reason, error) {
      const why = EXPLAINED[reason] ?? messageOf(error);
      log.error(`Queue '${queue}': ${what} was not handled (${reason}): ${why}`);
    },
    retried(queued, delay, failure) {
      const { attempt, event } = queued;
      const attempts = attemptsOf(event.action);
      const count = attempts === undefined ? String(attempt) : `${String(attempt)} of ${String(attempts)}`;
      const what = `Queue '${queue}': ${nameOfMessage(queued)}`;
      const next = `next in ${String(delay)} ms`;
      if (failure) log.warn(`${what} failed in attempt ${count}, ${next}: ${messageOf(failure.error)}`);
      else log.log(`${what} was put off by its handler in attempt ${count}, ${next}`);
    },
    warned(message) {
      log.warn(`Queue '${queue}': ${message}`);
    },
    paused(pause) {
      if (!pause) log.log(`Queue '${queue}' is resumed: this worker takes messages again`);
      else
        log.warn(
          `Queue '${queue}' ${describePause(pause)}: this worker takes no messages until it is resumed`,
        );
    },
    waiting(predecessor) {
      if (predecessor === undefined)
        log.log(`Queue '${queue}' has waited for its predecessor: this worker takes messages now`);
      else
        log.warn(
          `Queue '${queue}' waits for ${predecessor}: this worker takes no messages until nothing is left there`,
        );
    },
    limited(limits) {
      const what = limits
        ? `has limits over all its workers: ${describeLimits(limits)}`
        : 'has no limits any more';
      log.log(`Queue '${queue}' ${what}`);
    },
    lettersRemoved(tooMany, tooOld, freedKeys) {
      warnOfRemoved(tooMany, `more than deadLetters.max (${String(max)})`);
      warnOfRemoved(tooOld, `older than deadLetters.maxAge (${String(maxAge)} ms)`);
      if (freedKeys > 0)
        log.warn(
          `Queue '${queue}': ${String(freedKeys)} ordering keys that removed dead letters have held go on`,
        );
    },
  };
}
