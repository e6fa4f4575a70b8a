import type { QueueAdmin } from '../admin/queue-admin.js';
import { checkUrl } from '../redis/check-source.js';
import type { RedisSourceInput } from '../redis/redis-source.js';
import { EXIT, type ExitCode } from './exit.js';
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

/**
 * Makes the address of Redis out of the options.
 * @throws {InvalidOptionError}
 */
export async function redisOf({ url, cluster }: CommonOptions): Promise<RedisSourceInput> {
  checkUrl(url);
  if (!cluster) return url;
  const { clusterAt } = await import('../redis/cluster-at.js');
  return clusterAt(url);
}

/** The number of messages that were or would be changed, with more members of the JSON and more lines. */
export interface ChangeReport {
  readonly count: number;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly lines?: readonly string[];
}

/**
 * Makes a change if the user has confirmed it. Without `--yes` it says what would be changed.
 * @param would the number of messages that would be changed, with more about them
 * @param what the messages, and what becomes of them: `dead letters would be deleted`
 * @param change returns the number of messages that were changed, with more about them
 */
export async function confirmed(
  { yes, dryRun, json }: ChangeOptions,
  would: number | ChangeReport,
  what: readonly [would: string, did: string],
  change: () => Promise<number | ChangeReport>,
): Promise<ExitCode> {
  if (dryRun || !yes) {
    tell(would, what[0], false, json);
    if (dryRun) return EXIT.fine;
    note('Nothing was changed: repeat the command with --yes.');
    return EXIT.usage;
  }
  tell(await change(), what[1], true, json);
  return EXIT.fine;
}

function tell(report: number | ChangeReport, what: string, done: boolean, json: boolean | undefined): void {
  const {
    count,
    members,
    lines = [],
  }: ChangeReport = typeof report === 'number' ? { count: report } : report;
  if (json) {
    printJson({ count, done, ...members });
    return;
  }
  note(`${String(count)} ${what}`);
  for (const line of lines) note(line);
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
