import { ReplyError } from 'ioredis';

/*
 * There are three kinds of failure, by what is known about the command:
 * - in doubt: the connection went away, so it may or may not have been carried out;
 * - refused for now: Redis did not carry it out and says that it will later (loading, failing over, busy);
 * - refused: Redis did not carry it out and will not.
 */

// ioredis gives it the type any.
const ReplyClass = ReplyError as new () => Error & { command: unknown };

/**
 * Matches a refusal for now. Before version 7 the word is in the middle when Redis refused a command in a
 * script. A key is not local when its slot is on its way to another server of a Cluster, and the script has
 * just removed the key.
 */
const FOR_NOW =
  /(?:^|: -)(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|UNBLOCKED|MISCONF)\b|access a non local key/;

/**
 * Whether Redis answered with an error. The name is checked too: a bundler may have changed the class, and a
 * user's ioredis may be another copy. A refused login is no answer to a command: it counts as a lost
 * connection.
 */
export function isReplyError(error: unknown): error is Error {
  const isOne = error instanceof Error && (error instanceof ReplyClass || error.name === 'ReplyError');
  return isOne && !isLoginRefused(error);
}

/**
 * Whether Redis refused the login: it does not know the password or the user, or got none. It has carried out
 * nothing.
 */
export function isLoginRefused(error: unknown): error is Error {
  return error instanceof Error && /^(?:Ready check failed: )?(?:WRONGPASS|NOAUTH)\b/.test(error.message);
}

/** Whether the same command may succeed later: it is in doubt, or Redis refused it for now. */
export function isTransient(error: unknown): boolean {
  return !isReplyError(error) || FOR_NOW.test(error.message);
}

/** Whether the server has become a replica. Another connection finds the master. */
export function isReadOnly(error: unknown): boolean {
  return isReplyError(error) && error.message.includes('READONLY');
}

/**
 * Matches the words of Redis, Valkey and hosted services. A key that the user may not use is another matter.
 */
const FORBIDDEN =
  /no permissions to run|unknown (?:sub)?command|command is (?:disabled|not available)|command.* not (?:allowed|permitted|supported)/i;

/**
 * Whether the user has no right to `command`, or the server has no such command. A script can fail for a
 * command in it.
 */
export function isForbidden(error: unknown, command: string): boolean {
  return (
    isReplyError(error) && FORBIDDEN.test(error.message) && error.message.toLowerCase().includes(command)
  );
}

/** Whether Redis says that it has no such command: it is too old for it, or the command has another name. */
export function isUnknown(answer: string): boolean {
  return /unknown (?:sub)?command/i.test(answer);
}

/** Whether the slot of a key or of a channel is with another server of a Cluster. */
export function isElsewhere(error: unknown): boolean {
  return isReplyError(error) && /^(?:MOVED|ASK)\b/.test(error.message);
}

/** Whether the user has no right to a channel. */
export function isChannelForbidden(error: unknown): error is Error {
  return isReplyError(error) && /no permissions to access .*channel/i.test(error.message);
}

/** Whether a batch with ordering keys has come before the one that must be stored first. */
export function isEarly(error: unknown): boolean {
  return isReplyError(error) && /(?:^|: -)EARLY\b/.test(error.message);
}

/** Whether the stream or its consumer group is gone. */
export function isNoGroup(error: unknown): boolean {
  return isReplyError(error) && error.message.startsWith('NOGROUP');
}

/** Whether Redis ended a blocked read. The next read gets the reason. */
export function isUnblocked(error: unknown): boolean {
  return isReplyError(error) && error.message.startsWith('UNBLOCKED');
}

/** Whether the connection was closed after the command had been sent, and before its answer came. */
export function isCutOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === 'MaxRetriesPerRequestError' || error.message === 'Connection is closed.')
  );
}

/** The message of ioredis. */
export const TIMED_OUT = 'Command timed out';

export function hasTimedOut(error: unknown): boolean {
  return error instanceof Error && error.message === TIMED_OUT;
}
