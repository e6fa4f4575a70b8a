import {
  ConnectionError,
  DequeueError,
  EnqueueError,
  EventQueueError,
  InvalidEventError,
  InvalidOptionError,
} from '../model/errors.js';

/** The exit codes of the command line. Probes depend on them. */
export const EXIT = {
  /** All is well. */
  fine: 0,
  /**
   * A limit is exceeded, the doctor has found an error or a warning, what was asked for is not there, a
   * request was not answered, or a signal has ended the command early.
   */
  finding: 1,
  /** The command was not understood, or it was not confirmed. */
  usage: 2,
  /** Redis is away, or refuses. */
  redis: 3,
  /** The command has failed in a way that nobody has foreseen. */
  unexpected: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command was not understood. */
export class UsageError extends Error {}

/** The exit code of a command that has done its work, though something that it was to find is not there. */
export function findingUnless(isThere: boolean, code: ExitCode): ExitCode {
  return code === EXIT.fine && !isThere ? EXIT.finding : code;
}

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (
    error instanceof UsageError ||
    error instanceof InvalidOptionError ||
    error instanceof InvalidEventError
  )
    return EXIT.usage;
  if (
    error instanceof ConnectionError ||
    error instanceof DequeueError ||
    error instanceof EnqueueError ||
    (error instanceof Error && error.name === 'ReplyError')
  )
    return EXIT.redis;
  return error instanceof EventQueueError ? EXIT.finding : EXIT.unexpected;
}
