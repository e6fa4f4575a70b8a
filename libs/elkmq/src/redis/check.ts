import type { Cluster, Redis } from 'ioredis';
import { ConnectionError } from '../model/errors.js';
import { isReplyError } from './redis-errors.js';
import { send } from './scripts.js';

const OLDEST = 6;
/** The first version that applies min-replicas-to-write to scripts. */
const FIRST_TO_COUNT_REPLICAS = 7;

/**
 * Warns of each fault of a Redis that a queue can live with, and says what helps.
 * @throws {ConnectionError} when it is too old
 */
export async function checkRedis(client: Redis | Cluster): Promise<string[]> {
  const info = await infoOf(client);
  requireVersion(info);
  return [...evictionOf(info), ...replicationOf(info), ...(await persistenceOf(client, info))];
}

/** @throws {ConnectionError} when Redis is too old */
export async function checkVersion(client: Redis | Cluster): Promise<void> {
  requireVersion(await infoOf(client, ['server']));
}

/** The time for which Redis has been running, ms, to within a second; 0 where Redis does not say it. */
export async function uptimeOf(client: Redis | Cluster): Promise<number> {
  const info = await infoOf(client, ['server']);
  return Number(info.get('uptime_in_seconds') ?? 0) * 1_000;
}

/**
 * Warns when one master that is gone stops the whole Cluster. It says nothing where Redis does not say it.
 */
export async function warnOfFullCoverage(
  client: Redis | Cluster,
  warned: (message: string) => void,
): Promise<void> {
  // A single Redis has the setting too, and it means nothing there.
  if (!('nodes' in client)) return;
  const setting = 'cluster-require-full-coverage';
  const [, value] = ((await ask(client, 'config', ['GET', setting]).catch(() => [])) ?? []) as string[];
  if (value !== 'yes') return;
  warned(
    `${setting} of the Cluster is yes: when one master is gone without a replica, all partitions stop. Set it to no`,
  );
}

type Info = ReadonlyMap<string, string>;

/**
 * Reads INFO. The result is empty where Redis refuses it.
 * @param sections default: those that Redis chooses
 */
export async function infoOf(client: Redis | Cluster, sections: string[] = []): Promise<Info> {
  const text = ((await ask(client, 'info', sections)) ?? '') as string;
  return new Map(
    [...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name ?? '', value ?? '']),
  );
}

function requireVersion(info: Info): void {
  const version = info.get('redis_version');
  if (version === undefined || !(Number.parseInt(version, 10) < OLDEST)) return;
  throw new ConnectionError(`Redis ${version} is too old: ${String(OLDEST)}.0 or later is needed`);
}

function evictionOf(info: Info): string[] {
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  // Nothing is evicted when there is no limit.
  if (policy === 'noeviction' || info.get('maxmemory') === '0') return [];
  const what = policy.startsWith('volatile')
    ? 'the inboxes of clients, and with them answers that they wait for'
    : 'whole queues, with all their messages';
  return [
    `the maxmemory-policy of Redis is ${policy}: when memory is full it removes ${what}. Set it to noeviction`,
  ];
}

function replicationOf(info: Info): string[] {
  // Redis reports this only where min-replicas-to-write is set.
  const isWanted = info.has('min_slaves_good_slaves');
  const version = info.get('redis_version') ?? '7';
  if (!isWanted || Number.parseInt(version, 10) >= FIRST_TO_COUNT_REPLICAS) return [];
  return [
    `Redis ${version} does not apply min-replicas-to-write to scripts, so messages are stored without replicas. Set the option minReplicas`,
  ];
}

async function persistenceOf(client: Redis | Cluster, info: Info): Promise<string[]> {
  if (info.get('aof_enabled') !== '0') return [];
  // The answer is name and value in turn. It is empty where CONFIG is not allowed.
  const [, points] = ((await ask(client, 'config', ['GET', 'save'])) ?? []) as string[];
  if (points !== '') return [];
  return [
    'Redis keeps nothing on disk: when it restarts, all messages are lost. Set appendonly to yes, or save to intervals',
  ];
}

/** Sends a command; `undefined` where Redis refuses it: an ACL or a hosted Redis may forbid it. */
async function ask(client: Redis | Cluster, command: string, args: string[]): Promise<unknown> {
  try {
    return await send(client, command, args);
  } catch (error) {
    if (isReplyError(error)) return undefined;
    throw error;
  }
}
