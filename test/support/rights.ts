import { fileURLToPath } from 'node:url';
import { needsOfClient, needsOfWorker } from '../../libs/elkmq/src/redis/needs.js';
import { commandsOf, type Need, type ScriptName } from '../../libs/elkmq/src/redis/rights.js';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { publishedKeys, publishedUsers } from '../../scripts/published-users.js';
import { clientOf, type PrivateRedis } from './own-redis.js';
import { redisMajor } from './queue.js';

/**
 * Commands that are asked for and not needed: `INFO` and `CONFIG GET`, with which a start looks for settings to warn of, and
 * `SUBSCRIBE`, by which replies are pushed.
 */
const ASKED = ['info', 'config|get', 'subscribe'];

/**
 * The commands that the user needs on Cluster as well: ioredis asks for the servers and for slots on their way, and
 * replies are pushed.
 */
export const ON_CLUSTER = ['asking', 'cluster|info', 'cluster|slots', 'spublish', 'ssubscribe'];

/** The rule for all channels. Redis has such rules since 6.2, and a new user has no channel since 7.0. */
export const ALL_CHANNELS: readonly string[] = redisMajor < 7 ? [] : ['&*'];

/** Every command that the package sends, as ACL rules name them. */
export function commandsUsed(): string[] {
  const names = ({ commands }: Need): readonly string[] => commands;
  return [
    ...new Set([
      ...commandsOf(...(Object.keys(SCRIPTS) as ScriptName[])),
      ...needsOfWorker(false).flatMap(names),
      ...needsOfClient({ legacyConsumers: true, minReplicas: 1 }, false).flatMap(names),
      ...ASKED,
    ]),
  ].sort();
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The users that the guide shows. */
export const PUBLISHED_USERS = publishedUsers(ROOT);

/** The rules for keys and channels that the guide shows, by purpose. */
export const PUBLISHED_KEYS = publishedKeys(ROOT);

/**
 * Makes a user of a server who may do everything but what the rules take away.
 * @param rules such as `-client`
 * @returns the address of the server, with that user
 */
export async function userWith(server: PrivateRedis, ...rules: string[]): Promise<string> {
  const all = ['~*', ...ALL_CHANNELS, '+@all', ...rules];
  await clientOf(server).call('ACL', 'SETUSER', 'service', 'on', '>pw', ...all);
  return `redis://service:pw@127.0.0.1:${String(server.port)}`;
}
