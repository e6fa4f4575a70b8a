import type { Connection } from '../redis/connection.js';
import { send } from '../redis/scripts.js';

/** Reads a hash. @returns names and values in turn */
export async function readHash(client: Connection['client'], key: string): Promise<string[]> {
  const answer = await send(client, 'hgetall', [key]);
  // ioredis makes an object of this reply, unless its transformer was taken away.
  return Array.isArray(answer)
    ? (answer as string[])
    : Object.entries(answer as Record<string, string>).flat();
}
