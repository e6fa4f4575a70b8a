import type { Cluster } from 'ioredis';

/** How long the client may stay between two states, ms. */
const STUCK_MS = 1_000;

/**
 * Has a Cluster client of ioredis connect again when it has stopped trying. That happens when the last connection of an
 * attempt ends after the next attempt has begun, and when it is told to reconnect while it has no connection.
 * @param isWanted whether it is still to connect
 */
export function reviveWhenStuck(client: Cluster, isWanted: () => boolean): void {
  const look = (): void => {
    setTimeout(() => {
      const isStuck = client.status === 'close' || client.status === 'disconnecting';
      if (isStuck && isWanted()) client.connect().catch(() => undefined);
    }, STUCK_MS).unref();
  };
  client.on('close', look);
  client.on('disconnecting', look);
}
