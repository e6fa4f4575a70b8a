import type { Cluster, Redis } from 'ioredis';
import { isReplyError } from './redis-errors.js';

/**
 * Matches the messages in which ioredis reports its own state after something else has broken the connection.
 * With one Sentinel, every other try reports that none can be reached; then the message includes the last
 * error.
 */
const CONSEQUENCE =
  /Stream isn't writeable|^Connection is closed\.?$|max retries per request|^None of startup nodes|after \d+ms\.$/;
/** Stands for a reason that ioredis keeps to itself. */
const NO_SERVER = 'none of the servers of the cluster can be reached';
/** Matches a cut connection. There may be nothing more to know. */
const CUT = /\b(?:ECONNRESET|EPIPE)\b/;

/**
 * Picks the error that better explains why there is no connection.
 * @param earlier of the same outage
 */
export function moreTelling(earlier: Error | undefined, later: Error): Error {
  return earlier && weight(earlier) > weight(later) ? earlier : later;
}

/** Whether the error leaves open what has gone wrong. */
export function saysNothing(error: Error): boolean {
  return weight(error) === 0;
}

/** The weight of an error: 0 says nothing; 1 says that the connection was cut; 2 gives a reason. */
function weight(error: Error): number {
  const why = whyOf(nodeErrorOf(error) ?? error);
  if (CONSEQUENCE.test(why)) return 0;
  return CUT.test(why) ? 1 : 2;
}

/** The reason of an error, on one line. */
export function whyOf(error: Error): string {
  const nodeError = nodeErrorOf(error);
  if (nodeError) return CONSEQUENCE.test(nodeError.message) ? NO_SERVER : whyOf(nodeError);
  const { errors, reason, library, code } = error as ErrorDetails;
  // There is one error for each address of a name.
  if (error.message === '' && errors?.[0]) return whyOf(errors[0]);
  if (library === 'SSL routines' && reason !== undefined) return `TLS: ${reason}`;
  return error.message || (code ?? error.name);
}

/** The last error of a server, when the Cluster client itself only reports that no server would do. */
export function nodeErrorOf(error: Error): Error | undefined {
  const { lastNodeError } = error as ErrorDetails;
  return lastNodeError instanceof Error ? lastNodeError : undefined;
}

interface ErrorDetails {
  readonly lastNodeError?: unknown;
  readonly errors?: Error[];
  readonly reason?: string;
  readonly library?: string;
  readonly code?: string;
}

/** The reason of an error, as of `whyOf`. A hint follows that may help to set the connection up. */
export function whyNotConnected(error: Error, client: Redis | Cluster): string {
  const why = whyOf(error);
  if (weight(error) === 2 || 'nodes' in client || client.options.tls) return why;
  return `${why} (if the server wants TLS, the URL begins with rediss://)`;
}

/**
 * The number of the database that Redis has refused, and the words of Redis; `undefined` for another error.
 */
export function refusedDatabase(error: Error): { database: string; why: string } | undefined {
  const { command } = error as { command?: { name?: string; args?: unknown[] } };
  if (!isReplyError(error) || command?.name !== 'select') return undefined;
  // SELECT is the first command when there is no AUTH. So it gets the answer to the connection itself.
  if (/max number of clients/.test(error.message)) return undefined;
  return { database: String(command.args?.[0]), why: error.message };
}

/** Takes the command from the error. A refused AUTH includes the password, which must not get into a log. */
export function withoutCommand(error: Error): Error {
  if ('command' in error) delete error.command;
  return error;
}
