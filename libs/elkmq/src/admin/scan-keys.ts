import type { Cluster, Redis } from 'ioredis';
import type { Connection } from '../redis/connection.js';
import { reliably } from '../redis/reliable-call.js';
import { send } from '../redis/scripts.js';

/** The number of keys that one call of SCAN looks at. */
const STEP_KEYS = 1_000;

/**
 * Looks for keys in short steps, on Cluster in every server. A key can come twice.
 * @param pattern of Redis
 * @param maxKeys after which it ends early
 * @param timeoutMs the time that Redis may take for one call, ms
 * @returns whether all keys were looked at
 */
export async function* scanKeys(
  connection: Connection,
  pattern: string,
  maxKeys: number,
  timeoutMs: number,
): AsyncGenerator<string[], boolean, undefined> {
  let looked = 0;
  for (const node of mastersOf(connection.client)) {
    let cursor = '0';
    do {
      if (looked >= maxKeys) return false;
      const args = [cursor, 'MATCH', pattern, 'COUNT', STEP_KEYS];
      const answer = await reliably(connection, () => send(node, 'scan', args), timeoutMs);
      const [next, keys] = answer as [string, string[]];
      yield keys;
      cursor = next;
      looked += STEP_KEYS;
    } while (cursor !== '0');
  }
  return true;
}

function mastersOf(client: Redis | Cluster): (Redis | Cluster)[] {
  return 'nodes' in client ? client.nodes('master') : [client];
}
