import { Connection, GAVE_UP } from './connection.js';
import type { RedisSource } from './redis-source.js';

/** Is notified of a connection beside another one. */
export interface BesideListener {
  /** Whether the connection is closed on purpose. */
  isClosing(): boolean;
  /** It stands, for the first time or again. */
  connected?(): void;
  /** It does not stand, though Redis is there. This is not called without the connection `beside`. */
  disconnected(error: Error): void;
}

/**
 * Makes a connection for nothing but receiving.
 * @param beside another connection to the same Redis
 */
export function connectBeside(
  source: RedisSource,
  commandTimeout: number,
  beside: Connection | undefined,
  listener: BesideListener,
): Connection {
  const connection: Connection = new Connection(source, commandTimeout, {
    status: (status) => {
      if (status === 'connected') listener.connected?.();
      // Without it the other connection would be of no use, and would look as if all were well.
      if (status === 'closed' && !listener.isClosing())
        beside?.giveUp(`the one for reads beside it has: ${GAVE_UP}`);
    },
    error: (error) => {
      beside?.whenSteady(() => {
        if (!connection.isConnected && !listener.isClosing()) listener.disconnected(error);
      });
    },
  });
  return connection;
}
