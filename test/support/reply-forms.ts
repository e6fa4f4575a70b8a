import { Cluster, Redis } from 'ioredis';
import type { RedisSourceInput } from 'nestjs-elkmq';
import { afterAll, beforeAll } from 'vitest';
import { CLUSTER_HOST } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { launchServers } from './cluster.js';
import { newQueueName, redis, redisMajor, url } from './queue.js';
import { mayRun } from './test-redis.js';

/** The variable is there and empty where the tests have no user of their own. */
const RULES = process.env['ELKMQ_TEST_USER'] || `~* ${redisMajor < 7 ? '' : '&* '}+@all`;

/** Where Redis is: one server, or a Cluster of one master. */
export interface ReplyPlace {
  /** A client of the server, who may do everything. */
  readonly admin: Redis;
  readonly source: RedisSourceInput;
  /** The address of the server. */
  readonly url: string;
  readonly isCluster: boolean;
  /** The names of its queues are what their keys begin with, on Cluster too. */
  newName(): string;
}

const SINGLE: ReplyPlace = { admin: redis, source: url, url, isCluster: false, newName: newQueueName };

/** A client of a Cluster of one server. It never connects: those of the package are like it. */
export function clusterAt(url: string): Cluster {
  const { port, username, password } = new URL(url);
  return new Cluster([{ host: CLUSTER_HOST, port: Number(port) }], {
    lazyConnect: true,
    slotsRefreshTimeout: 60_000,
    redisOptions: username ? { username, password } : {},
  });
}

/**
 * The places for replies. A file of tests has one Cluster.
 * @returns each with its name, whether replies can be pushed there, and a function that gives it to a test
 */
export function replyPlaces(): readonly (readonly [string, boolean, () => ReplyPlace])[] {
  let server: PrivateRedis;
  let place: ReplyPlace;
  beforeAll(async () => {
    [server] = (await launchServers(1, 0)) as [PrivateRedis];
    place = {
      admin: new Redis(server.adminUrl),
      source: clusterAt(server.url),
      url: server.url,
      isCluster: true,
      newName: () => `{${newQueueName()}}`,
    };
  });
  afterAll(async () => {
    place.admin.disconnect();
    await server.stop();
  });
  return [
    ['one Redis', mayRun('subscribe'), () => SINGLE],
    ['Redis Cluster', mayRun('ssubscribe') && redisMajor >= 7, () => place],
  ];
}

/** The source of clients whose user may not subscribe at a place. */
export async function sourceWithoutPushes({ admin, url, isCluster }: ReplyPlace): Promise<RedisSourceInput> {
  const rules = [...RULES.split(' '), '-subscribe', ...(redisMajor < 7 ? [] : ['-ssubscribe'])];
  await admin.call('ACL', 'SETUSER', 'without-pushes', 'on', '>pw', ...rules);
  const other = url.replace(/\/\/(?:.*@)?/, '//without-pushes:pw@');
  return isCluster ? clusterAt(other) : other;
}
