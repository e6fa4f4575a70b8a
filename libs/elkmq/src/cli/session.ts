import type { QueueAdmin } from '../admin/queue-admin.js';
import type { RedisSourceInput } from '../redis/redis-source.js';
import { EXIT, UsageError, type ExitCode } from './exit.js';
import { note, printJson } from './output.js';

/** The options of every command. */
export interface CommonOptions {
  readonly url: string;
  readonly cluster?: boolean;
  /** The time that Redis may take, ms. */
  readonly patience: number;
  readonly json?: boolean;
}

/** The options of every command that destroys. */
export interface ChangeOptions extends CommonOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Makes the address of Redis out of the options. */
export async function redisOf({ url, cluster }: CommonOptions): Promise<RedisSourceInput> {
  if (!cluster) return url;
  const { Cluster } = await import('ioredis');
  if (!URL.canParse(url)) throw new UsageError('--url must be a URL such as redis://127.0.0.1:7000');
  const { username, password, protocol } = new URL(url);
  const redisOptions = {
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
  return () => new Cluster([url], { redisOptions, lazyConnect: true });
}

/**
 * Makes a change if the user has confirmed it. Without `--yes` it says what would be changed.
 * @param what the messages, and what becomes of them: `dead letters would be deleted`
 * @param change returns the number of messages that were changed
 */
export async function confirmed(
  { yes, dryRun, json }: ChangeOptions,
  count: number,
  [would, did]: readonly [would: string, did: string],
  change: () => Promise<number>,
): Promise<ExitCode> {
  if (dryRun || !yes) {
    if (json) printJson({ count, done: false });
    else note(`${String(count)} ${would}`);
    if (dryRun) return EXIT.fine;
    note('Nothing was changed: repeat the command with --yes.');
    return EXIT.usage;
  }
  const changed = await change();
  if (json) printJson({ count: changed, done: true });
  else note(`${String(changed)} ${did}`);
  return EXIT.fine;
}

/** Opens the admin of a queue for a command, and closes it in the end. */
export async function withAdmin<T>(
  queue: string,
  options: CommonOptions,
  use: (admin: QueueAdmin) => Promise<T>,
): Promise<T> {
  const { QueueAdmin: Admin } = await import('../admin/queue-admin.js');
  const admin = new Admin(queue, await redisOf(options), { timeout: options.patience });
  try {
    return await use(admin);
  } finally {
    await admin.close();
  }
}
