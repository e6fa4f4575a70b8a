import type { IncomingMessage } from 'node:http';
import { InvalidOptionError, type CredentialsFunction, type RedisSourceInput } from 'elkmq';
import { checkGivenOptions, formatValue, parseBoolean, parseQueueName, RedisSource } from 'elkmq/internal';
import type { ConsoleMessage } from './queues/console-message.js';
import type { ActionRecord, ConsoleActionKind } from './queues/action-log.js';

/** The thing that somebody wants to do. */
export interface ConsoleAction {
  readonly kind: ConsoleActionKind;
  /** The name of the queue; `undefined` for the page itself, the list of queues, and the action log. */
  readonly queue: string | undefined;
}

/** The options of a console. */
export interface ConsoleOptions {
  /** The address of Redis: a URL, the options of ioredis, or an instance. Default redis://127.0.0.1:6379. */
  readonly redis?: RedisSourceInput | undefined;
  /** Fetches the credentials, as of an `EventQueue`. */
  readonly credentials?: CredentialsFunction | undefined;
  /** The names of the queues that are shown, and no others. Default: all that are found in Redis. */
  readonly queues?: readonly string[] | undefined;
  /**
   * Says whether the sender of the request may do that. It is asked for each request, and for `move` once for
   * each of the two queues. The request is Node's
   * on Fastify, and that of Express on Express. Default: everybody may do everything, which is refused in
   * production (`NODE_ENV`) unless `readOnly` is set.
   */
  readonly authorize?:
    ((request: IncomingMessage, action: ConsoleAction) => boolean | Promise<boolean>) | undefined;
  /** Whether nobody may change anything. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The name of the sender of the request, for the action log. It is asked before each change. Nothing is
   * changed when it throws, or answers something else. Default: none.
   */
  readonly identify?:
    ((request: IncomingMessage) => string | undefined | Promise<string | undefined>) | undefined;
  /**
   * Hides what must not be seen, before a message leaves the server. Searches for texts and headers look at
   * what it returns.
   */
  readonly redact?: ((message: ConsoleMessage) => ConsoleMessage) | undefined;
  /**
   * Is called after each change that somebody made or tried with this console. What it throws or rejects with
   * is a warning of the process: the change has been made. Nobody waits for a promise that it returns.
   */
  readonly audit?: ((action: ActionRecord) => void) | undefined;
}

/** The names of the options of a console. */
export const CONSOLE_OPTIONS: readonly string[] = Object.keys({
  audit: true,
  authorize: true,
  credentials: true,
  identify: true,
  queues: true,
  readOnly: true,
  redact: true,
  redis: true,
} satisfies Record<keyof ConsoleOptions, true>);

/**
 * Checks the options. A misspelt `authorize` or `readOnly` would let everybody change everything.
 * @throws {InvalidOptionError}
 */
export function checkOptions(options: ConsoleOptions): void {
  checkGivenOptions('ElkMqConsole', options, CONSOLE_OPTIONS);
  parseBoolean('readOnly', options.readOnly);
  for (const name of ['authorize', 'identify', 'redact', 'audit'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'function')
      throw new InvalidOptionError(`${name} must be a function, got ${formatValue(value)}`);
  }
  const names: unknown = options.queues;
  if (names !== undefined && !Array.isArray(names))
    throw new InvalidOptionError(`queues must be an array of names, got ${formatValue(names)}`);
  for (const name of options.queues ?? []) parseQueueName(name);
  // It connects nothing, and refuses a wrong address.
  new RedisSource(options.redis, options.credentials);
  const isProduction = process.env['NODE_ENV'] === 'production';
  if (isProduction && !options.authorize && !options.readOnly)
    throw new InvalidOptionError(
      'the console needs the option authorize or readOnly in production: otherwise everybody could delete messages',
    );
}
