import type { Cluster, Redis } from 'ioredis';
import { DequeueError } from '../model/errors.js';
import { DEFAULTS, parseInteger, parseMilliseconds } from '../model/options.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { isReplyError } from '../redis/redis-errors.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { reliably } from '../redis/reliable-call.js';
import { send } from '../redis/scripts.js';

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
  /** Their names, sorted. On Cluster a name has no braces. */
  readonly queues: string[];
  /** Whether all keys were looked at. */
  readonly isComplete: boolean;
}

/** The number of keys that one call of SCAN looks at. */
const STEP_KEYS = 1_000;
/** Each queue that holds anything has one of these keys. */
const KEY = /^(.*)\((?:event_stream|delayed|dead_letters|workers)\)$/s;

/**
 * Finds the queues of a Redis by its keys: those that hold messages, or that have had a worker. It looks at all
 * keys of Redis in short steps; that needs the command SCAN.
 * @param redis address of Redis; default redis://127.0.0.1:6379
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function queues(redis?: RedisSourceInput, options: QueuesOptions = {}): Promise<FoundQueues> {
  const limit = parseInteger('limit', options.limit, 1_000, 1);
  const maxKeys = parseInteger('maxKeys', options.maxKeys, 1_000_000, 1);
  const timeout = parseMilliseconds('timeout', options.timeout, DEFAULTS.enqueueTimeout);
  const source = new RedisSource(redis, options.credentials);
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  const names = new Set<string>();
  let looked = 0;
  try {
    await connection.whenConnected(timeout);
    for (const node of mastersOf(connection.client)) {
      let cursor = '0';
      do {
        if (looked >= maxKeys || names.size >= limit) return found(names, limit, false);
        const args = [cursor, 'MATCH', '*(*)', 'COUNT', STEP_KEYS];
        const scan = (): Promise<unknown> => send(node, 'scan', args);
        const answer = await reliably(connection, scan, timeout);
        const [next, keys] = answer as [string, string[]];
        for (const key of keys) {
          const name = KEY.exec(key)?.[1];
          if (name !== undefined) names.add(source.isCluster ? name.replace(/^\{([^}]+)\}$/, '$1') : name);
        }
        cursor = next;
        looked += STEP_KEYS;
      } while (cursor !== '0');
    }
    return found(names, limit, true);
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

function mastersOf(client: Redis | Cluster): (Redis | Cluster)[] {
  return 'nodes' in client ? client.nodes('master') : [client];
}
