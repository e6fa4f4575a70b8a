import type { IncomingMessage, ServerResponse } from 'node:http';
import { InvalidOptionError, type QueueAdmin } from 'elkmq';
import { formatValue } from 'elkmq/internal';
import type { ConsoleOptions } from '../options.js';
import type { ActionLog, ConsoleActionKind } from '../queues/action-log.js';
import type { AdminPool } from '../queues/admin-pool.js';
import { consoleMessageOf, type ConsoleMessage } from '../queues/console-message.js';
import type { QueueList } from '../queues/queue-list.js';
import type { QueueMessage } from 'elkmq';

/** The things that routes work with. */
export interface ConsoleParts {
  readonly options: ConsoleOptions;
  readonly admins: AdminPool;
  readonly list: QueueList;
  readonly log: ActionLog;
}

/** A call of the API that was checked: it comes from the page, and its sender may do that. */
export interface ApiCall extends ConsoleParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The parameters: those of the query, or the body. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The queue, if the route needs one; otherwise empty. */
  readonly queue: string;
  /** Whether the sender may look at a queue. */
  mayView(queue: string): Promise<boolean>;
  /**
   * Checks another queue that the call changes, as the first one was checked. Returns its name.
   * @throws {HttpError} when the sender may not do the same there
   */
  checkOtherQueue(name: unknown): Promise<string>;
}

/** One route of the API. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly kind: ConsoleActionKind;
  /** Whether the call names a queue. */
  readonly hasQueue: boolean;
  /** Makes the value that is sent as JSON; `undefined` when it has sent the response itself. */
  handle(call: ApiCall): Promise<unknown>;
}

/** Lends the admin of the queue of the call. */
export function withAdmin<T>({ admins, queue }: ApiCall, use: (admin: QueueAdmin) => Promise<T>): Promise<T> {
  return admins.withAdmin(queue, use);
}

/** The message that leaves the server. */
export function visibleMessageOf({ options }: ApiCall, message: QueueMessage): ConsoleMessage {
  const made = consoleMessageOf(message);
  return options.redact ? options.redact(made) : made;
}

/**
 * Reads a parameter that is text; `undefined` when it is missing or empty.
 * @throws {InvalidOptionError}
 */
export function textParameter({ parameters }: ApiCall, name: string): string | undefined {
  const value = parameters[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new InvalidOptionError(`${name} must be a string, got ${formatValue(value)}`);
}

/**
 * Reads a parameter that is a number; `undefined` when it is missing or empty.
 * @throws {InvalidOptionError}
 */
export function numberParameter(call: ApiCall, name: string): number | undefined {
  const text = textParameter(call, name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  throw new InvalidOptionError(`${name} must be a number, got ${formatValue(text)}`);
}
