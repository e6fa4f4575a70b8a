import type { Cluster, Redis } from 'ioredis';

/** The time that the client may stay between two states, ms. */
const STUCK_MS = 1_000;

/**
 * Makes a Cluster client of ioredis connect again when it has stopped trying. It stops in two cases: the last
 * connection of an attempt ends after the next attempt has begun, or it is to reconnect while it has no
 * connection.
 * @param isWanted whether the client is still to connect
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

/**
 * Lets ASKING fail. A Cluster client of ioredis sends it to a server before each command for a slot that is
 * on its way there, and does not look at the answer. Without this a connection that breaks then ends the
 * process. The command itself fails too, and is sent again.
 */
export function ignoreFailuresOfAsking(client: Cluster): void {
  client.on('+node', (node: Redis) => {
    const ask = node.asking.bind(node);
    node.asking = (...args: Parameters<typeof ask>) => {
      const answer = ask(...args);
      answer.catch(() => undefined);
      return answer;
    };
  });
}
