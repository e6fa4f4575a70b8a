import { scanKeys } from '../admin/scan-keys.js';
import { queueOfPartition } from '../model/partitions.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';

/**
 * Each topic has one of these keys that has, or had, a subscription, or an event that no subscription
 * wanted.
 */
const KEY = /^\{([^/{}]+)\}\((?:subscriptions|unrouted)\)$/s;
/** As a pattern of SCAN, which knows no alternatives. */
const KEY_PATTERN = '{*}([su]*)';

/** The number of keys of Redis that are looked at. */
const MAX_KEYS = 1_000_000;

/** The topics that were found. */
export interface FoundTopics {
  /** Their names, sorted. A topic with partitions is one topic. */
  readonly topics: string[];
  /** Whether all keys were looked at. */
  readonly isComplete: boolean;
}

/**
 * Finds the topics of a Redis by its keys, in short steps; that needs the command SCAN.
 * @param limit the largest number of topics
 * @param timeout time that Redis may take for one call, ms
 * @throws {ConnectionError} when Redis takes too long
 */
export async function findTopics(
  redis: RedisSourceInput,
  { limit, timeout }: { readonly limit: number; readonly timeout: number },
): Promise<FoundTopics> {
  const connection = new Connection(new RedisSource(redis), COMMAND_TIMEOUT_MS);
  const names = new Set<string>();
  try {
    await connection.whenConnected(timeout);
    const keys = scanKeys(connection, KEY_PATTERN, MAX_KEYS, timeout);
    let step = await keys.next();
    while (!step.done && names.size < limit) {
      for (const key of step.value) {
        const name = KEY.exec(key)?.[1];
        if (name !== undefined) names.add(queueOfPartition(name)?.queue ?? name);
      }
      step = await keys.next();
    }
    const isComplete = step.done === true && step.value && names.size <= limit;
    return { topics: [...names].sort().slice(0, limit), isComplete };
  } finally {
    await connection.closeConnection();
  }
}
