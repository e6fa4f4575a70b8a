import type { ConnectionListener } from 'elkmq/internal';
import type { RequesterLike } from '../client/outgoing-messages.js';

/** The parts of a requester that differ between a queue and a topic in memory. */
export interface MemoryRequesterParts extends Pick<RequesterLike, 'store' | 'request'> {
  /** Fails the requests that still wait. */
  failAll(error: Error): void;
}

/** Opens a requester that stores messages in memory. Its status is that of a requester with a connection. */
export function openMemoryRequester(
  listener: ConnectionListener,
  parts: MemoryRequesterParts,
): RequesterLike {
  // A connection is never there at once either.
  queueMicrotask(() => listener.status?.('connected'));
  return {
    get connection() {
      return refuseConnection();
    },
    connect: () => Promise.resolve(),
    store: (...message) => {
      parts.store(...message);
    },
    request: (...message) => parts.request(...message),
    close: (error) => {
      parts.failAll(error);
      listener.status?.('closed');
      return Promise.resolve();
    },
  };
}

/** @throws {Error} always */
export function refuseConnection(): never {
  throw new Error('A test queue is in memory: it has no Redis, and no ioredis client to unwrap.');
}
