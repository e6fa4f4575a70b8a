import { parseArgs } from 'node:util';
import type { RedisSourceInput } from 'elkmq';
import { checkUrl, clusterAt } from 'elkmq/internal';
import { isLocalHost } from './local-host.js';

/** The command was not understood. */
export class UsageError extends Error {}

/** The settings that the command line gives. */
export interface ConsoleArguments {
  readonly redis: RedisSourceInput;
  readonly queues: readonly string[] | undefined;
  readonly port: number;
  readonly host: string;
  readonly isLoopback: boolean;
  readonly isReadOnly: boolean;
  /** `user:password` */
  readonly user: string | undefined;
}

export const HELP = `Usage: elkmq-console [options]

Shows the queues of a Redis in the browser.

  --url <url>            the URL of Redis (ELKMQ_URL; default redis://127.0.0.1:6379)
  --cluster              the URL is that of a node of a Redis Cluster
  --queue <name>         shows this queue and no others; can be repeated
  --port <number>        the port (default 3900; 0 takes a free one)
  --host <address>       the address to listen at (default 127.0.0.1)
  --read-only            nobody may change anything
  --user <user:password> asks the browser for this login (ELKMQ_CONSOLE_USER)
  --help                 shows this

Another address than a local one needs --user or --read-only. There is no TLS: put a proxy in front.

Example:
  $ elkmq-console --url redis://127.0.0.1:6379 --read-only
`;

const OPTIONS = {
  url: { type: 'string' },
  cluster: { type: 'boolean' },
  queue: { type: 'string', multiple: true },
  port: { type: 'string', default: '3900' },
  host: { type: 'string', default: '127.0.0.1' },
  'read-only': { type: 'boolean', default: false },
  user: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/**
 * @throws {UsageError}
 * @throws {InvalidOptionError} when the URL is wrong
 */
export function parseArguments(args: readonly string[]): ConsoleArguments | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : NaN;
  if (!(port <= 65_535))
    throw new UsageError(`--port must be a number from 0 to 65535, got ${JSON.stringify(values.port)}`);
  const user = values.user ?? process.env['ELKMQ_CONSOLE_USER'];
  if (user !== undefined && !/^[^:]+:./s.test(user)) throw new UsageError('--user must be user:password');
  const { host, 'read-only': isReadOnly } = values;
  const isLoopback = isLocalHost(host.includes(':') ? `[${host}]` : host);
  if (!isLoopback && user === undefined && !isReadOnly)
    throw new UsageError(
      `with --host ${host} others can reach the console: give it --user or --read-only as well`,
    );
  return { redis: redisOf(values), queues: values.queue, port, host, isLoopback, isReadOnly, user };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\nTry --help.`);
  }
}

function redisOf(values: { url?: string | undefined; cluster?: boolean | undefined }): RedisSourceInput {
  const url = values.url ?? process.env['ELKMQ_URL'] ?? 'redis://127.0.0.1:6379';
  checkUrl(url);
  return values.cluster ? clusterAt(url) : url;
}
