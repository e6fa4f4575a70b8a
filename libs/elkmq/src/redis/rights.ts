import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { isChannelForbidden, isForbidden, isReplyError, isUnknown } from './redis-errors.js';
import { send } from './scripts.js';
import { SCRIPTS } from './scripts.generated.js';

/** The commands for one purpose of a queue, by the names that ACL rules have: `xadd`, `xgroup|create`. */
export interface Need {
  readonly commands: readonly string[];
  /** The damage when one of them is refused, as the end of a sentence. */
  readonly cost: string;
  /** Whether nothing works without it. */
  readonly isEssential?: boolean;
  /** The ACL rules that allow it, when more than its commands are needed. */
  readonly rules?: (key: string) => string;
  /** Whether earlier versions of Redis do not have its commands. Nobody is told then: no rule would help. */
  readonly isNewer?: boolean;
}

/** The commands that a user of Redis may not use. */
export interface Refusals {
  /** The reason why nothing works, if nothing does. */
  readonly essential: string | undefined;
  /** A sentence for each purpose that does not work, or works only slowly. */
  readonly warnings: string[];
  /** The names of the refused commands. */
  readonly commands: ReadonlySet<string>;
}

/** A Cluster client sends it before each command for a slot that is on its way to another server. */
const ASKING: Need = {
  commands: ['asking'],
  cost: 'while a slot moves to another server, what has moved already cannot be reached',
};

const PUSH_COMMANDS = ['publish', 'spublish'];

export type ScriptName = keyof typeof SCRIPTS;

/** All commands that scripts need. They push replies only if they may, so that is a need of its own. */
export function commandsOf(...scripts: ScriptName[]): string[] {
  const all = scripts.flatMap((name): string[] => SCRIPTS[name].commands.split(' '));
  return [...new Set(all)].filter((command) => !PUSH_COMMANDS.includes(command));
}

/**
 * Tries each command with arguments that change nothing. Reports the refused ones, with the damage. A command
 * for several purposes is reported with the first of them.
 * @param key of the queue, which never exists
 * @param needs the most important first
 */
export async function findRefusals(
  client: Redis | Cluster,
  key: string,
  needs: readonly Need[],
): Promise<Refusals> {
  const allNeeds = client.isCluster ? [...needs, ASKING] : needs;
  const all = [...new Set(allNeeds.flatMap(({ commands }) => commands))];
  const refused = new Map<string, string>();
  const test = async (command: string): Promise<void> => {
    const refusal = await refusalOf(client, key, command);
    if (refusal !== undefined) refused.set(command, refusal);
  };
  await Promise.all(all.filter((command) => !ADDING.includes(command)).map(test));
  // DEL deletes what these commands add.
  if (!refused.has('del')) {
    await Promise.all(all.filter((command) => ADDING.includes(command)).map(test));
    if (all.some((command) => ADDING.includes(command))) await test('del');
  }
  const allRefused = new Set(refused.keys());
  let essential: string | undefined;
  const warnings: string[] = [];
  for (const need of allNeeds) {
    const missing = need.commands.filter((command) => refused.has(command));
    if (missing.length === 0) continue;
    const reason = String(refused.get(missing[0] as string));
    const sentence = refusalSentence(client, key, need, missing, reason);
    for (const command of missing) refused.delete(command);
    if (need.isNewer && isUnknown(reason)) continue;
    if (need.isEssential) essential ??= sentence;
    else warnings.push(sentence);
  }
  return { essential, warnings, commands: allRefused };
}

/**
 * The sentence for commands that Redis refuses.
 * @param key of the queue
 * @param missing those commands
 * @param reason the answer of Redis
 */
export function refusalSentence(
  client: Redis | Cluster,
  key: string,
  need: Need,
  missing: readonly string[],
  reason: string,
): string {
  const names = missing.map((command) => command.replace('|', ' ').toUpperCase()).join(', ');
  const rules = need.rules?.(key) ?? missing.map((command) => `+${command}`).join(' ');
  const { options } = client as { options: RedisOptions & ClusterOptions };
  const user = (options.redisOptions ?? options).username ?? 'default';
  return `Redis refuses ${names}: ${need.cost}. Allow it with ACL SETUSER ${user} ${rules} (Redis says: ${reason})`;
}

async function refusalOf(client: Redis | Cluster, key: string, command: string): Promise<string | undefined> {
  const [name, subcommand] = command.split('|') as [string, string?];
  const args = TRIAL[command]?.(key);
  if (!args) throw new Error(`there is no trial of the command ${command}`);
  try {
    await send(client, name, subcommand === undefined ? args : [subcommand.toUpperCase(), ...args]);
    return undefined;
  } catch (error) {
    if (!isReplyError(error)) throw error;
    return isForbidden(error, name) || isChannelForbidden(error) ? error.message : undefined;
  }
}

/** Commands that have no arguments with which they would change nothing. */
const ADDING: readonly string[] = ['lpush', 'rpush'];

const TRIAL_GROUP = 'g';
/** No id, no number, and no option. */
const NONE = 'none';
/**
 * The trials: reads, and writes that Redis refuses or that find nothing. Their keys belong to one queue, for
 * Redis Cluster.
 */
const TRIAL: Readonly<Record<string, (key: string) => (string | number)[]>> = {
  asking: () => [],
  'client|id': () => [],
  'client|unblock': () => [0],
  del: (key) => [key],
  eval: (key) => ['return 1', 1, key],
  evalsha: (key) => ['0'.repeat(40), 1, key],
  exists: (key) => [key],
  get: (key) => [key],
  hdel: (key) => [key, NONE],
  hget: (key) => [key, NONE],
  hgetall: (key) => [key],
  hincrby: (key) => [key, NONE, NONE],
  hlen: (key) => [key],
  hmget: (key) => [key, NONE],
  hscan: (key) => [key, 0],
  hset: (key) => [key, 'field', 'value', 'field without a value'],
  hstrlen: (key) => [key, NONE],
  incrby: (key) => [key, NONE],
  llen: (key) => [key],
  lpush: (key) => [key, NONE],
  lrange: (key) => [key, 0, 0],
  lrem: (key) => [key, 0, NONE],
  pexpire: (key) => [key, NONE],
  pexpireat: (key) => [key, NONE],
  pttl: (key) => [key],
  publish: (key) => [key, NONE],
  rpush: (key) => [key, NONE],
  set: (key) => [key, 'value', NONE],
  spublish: (key) => [key, NONE],
  time: () => [],
  unlink: (key) => [key],
  wait: () => [0, 1],
  xack: (key) => [key, TRIAL_GROUP, NONE],
  xadd: (key) => [key, NONE, 'field', 'value'],
  xclaim: (key) => [key, TRIAL_GROUP, 'consumer', 0, NONE],
  xdel: (key) => [key, NONE],
  'xgroup|create': (key) => [key, TRIAL_GROUP, NONE],
  'xgroup|delconsumer': (key) => [key, TRIAL_GROUP, 'consumer'],
  'xinfo|consumers': (key) => [key, TRIAL_GROUP],
  'xinfo|groups': (key) => [key],
  xlen: (key) => [key],
  xpending: (key) => [key, TRIAL_GROUP],
  xrange: (key) => [key, '-', '+', 'COUNT', 1],
  xread: (key) => ['STREAMS', key, NONE],
  xreadgroup: (key) => ['GROUP', TRIAL_GROUP, 'consumer', 'STREAMS', key, NONE],
  xrevrange: (key) => [key, '+', '-', 'COUNT', 1],
  xtrim: (key) => [key, 'MAXLEN', NONE],
  zadd: (key) => [key, NONE, 'member'],
  zcard: (key) => [key],
  zcount: (key) => [key, 0, 0],
  zrange: (key) => [key, 0, 0],
  zrangebyscore: (key) => [key, 0, 0],
  zrem: (key) => [key, NONE],
  zremrangebyrank: (key) => [key, NONE, NONE],
  zremrangebyscore: (key) => [key, NONE, NONE],
  zrevrangebyscore: (key) => [key, 0, 0],
  zscore: (key) => [key, NONE],
};
