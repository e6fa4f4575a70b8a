import { DequeueError } from '../model/errors.js';
import { checkGivenOptions, DEFAULTS, parseInteger, parseMilliseconds } from '../model/options.js';
import { queueOfPartition } from '../model/partitions.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { isReplyError } from '../redis/redis-errors.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { scanKeys } from './scan-keys.js';

/** The bounds of `queues`. */
export interface QueuesOptions {
  /** The largest number of queues. Default 1,000. */
  readonly limit?: number | undefined;
  /** The number of keys of Redis that are looked at. Default 1,000,000. */
  readonly maxKeys?: number | undefined;
  /** The time that Redis may take for one call, ms. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Fetches the credentials, as of an `EventQueue`. */
  readonly credentials?: CredentialsFunction | undefined;
}

/** The queues that were found. */
export interface FoundQueues {
  /** Their names, sorted. On Cluster a name has no braces. A queue with partitions is one queue. */
  readonly queues: string[];
  /** Whether all keys were looked at. */
  readonly isComplete: boolean;
}

/** Each queue that holds anything has one of these keys. */
const KEY = /^(.*)\((?:event_stream|delayed|dead_letters|workers|control|moving|schedules)\)$/s;

/**
 * Finds the queues of a Redis by its keys: those that hold messages, that have had a worker, or that are
 * paused. It looks at all keys of Redis in short steps; that needs the command SCAN.
 * @param redis address of Redis; default redis://127.0.0.1:6379
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function queues(redis?: RedisSourceInput, options: QueuesOptions = {}): Promise<FoundQueues> {
  checkGivenOptions('queues', options, ['limit', 'maxKeys', 'timeout', 'credentials']);
  const limit = parseInteger('limit', options.limit, 1_000, 1);
  const maxKeys = parseInteger('maxKeys', options.maxKeys, 1_000_000, 1);
  const timeout = parseMilliseconds('timeout', options.timeout, DEFAULTS.enqueueTimeout);
  const source = new RedisSource(redis, options.credentials);
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  const names = new Set<string>();
  try {
    await connection.whenConnected(timeout);
    const keys = scanKeys(connection, '*(*)', maxKeys, timeout);
    for (;;) {
      const { value, done } = await keys.next();
      if (done) return found(names, limit, value);
      for (const key of value) {
        const name = KEY.exec(key)?.[1];
        if (name === undefined) continue;
        const queue = source.isCluster ? name.replace(/^\{([^}]+)\}$/, '$1') : name;
        names.add(queueOfPartition(queue)?.queue ?? queue);
      }
      if (names.size >= limit) return found(names, limit, false);
    }
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses to tell its keys: ${error.message}`, { cause: error });
  } finally {
    await connection.closeConnection();
  }
}

function found(names: ReadonlySet<string>, limit: number, isComplete: boolean): FoundQueues {
  return { queues: [...names].sort().slice(0, limit), isComplete: isComplete && names.size <= limit };
}
