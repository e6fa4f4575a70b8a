import type { Connection } from './connection.js';
import { isCutOff } from './redis-errors.js';

/** A call of this size may be larger than a server accepts, or a proxy before it. */
export const LARGE_CHARACTERS = 128 * 1024;
/** The number of its own connections that a call may break before it counts as refused. */
const MAX_BREAKS = 3;

/**
 * The error when a call is larger than Redis accepts, or a proxy before it. Some say so and close the
 * connection; often only the close arrives. It counts as a reply of Redis: see `isReplyError`.
 */
export class TooLargeCallError extends Error {
  override readonly name = 'ReplyError';
}

/**
 * Runs a call that may be too large for Redis, on connections of its own. When it breaks them, no other call
 * is lost.
 * @param size of the call, characters
 * @param left time that it may still take, ms
 * @throws {TooLargeCallError} when it has broken several connections
 */
export async function callApart<T>(
  connection: Connection,
  run: (client: Connection['client']) => Promise<T>,
  size: number,
  left: () => number,
): Promise<T> {
  for (let breaks = 0; breaks < MAX_BREAKS; breaks++) {
    const own = connection.another();
    try {
      await own.whenConnected(left());
      return await run(own.client);
    } catch (error) {
      if (!isCutOff(error)) throw error;
    } finally {
      await own.closeConnection();
    }
  }
  throw new TooLargeCallError(
    `the connection was closed ${String(MAX_BREAKS)} times while a call of ${String(size)} characters was sent: that seems to be more than Redis, or a proxy before it, accepts`,
  );
}
