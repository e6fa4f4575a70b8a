import type { Cluster, Redis } from 'ioredis';

/** The time that the client may stay between two states, ms. */
const STUCK_MS = 1_000;
/**
 * The time that the client may stay in one state without a connection, ms. It is longer than ioredis takes
 * to ask several servers in vain for the table of slots.
 */
const IDLE_MS = 20_000;
/** The states of a Cluster client that wants a connection. Each change is an event of that name. */
const STATES = ['connecting', 'connect', 'ready', 'reconnecting', 'disconnecting', 'close'] as const;

/**
 * Makes a Cluster client of ioredis connect again when it has stopped trying. It stops for good when the last
 * connection of an attempt ends after the next attempt has begun, or when it is to reconnect while it has no
 * connection. It was also seen without a connection, and trying nothing, for a minute and a half. Why is not
 * known, so one that changes nothing for `idleMs` begins anew.
 * @param isWanted whether the client is still to connect
 */
export function reviveWhenStuck(client: Cluster, isWanted: () => boolean, idleMs = IDLE_MS): void {
  const look = (): void => {
    setTimeout(() => {
      const isStuck = client.status === 'close' || client.status === 'disconnecting';
      if (isStuck && isWanted()) client.connect().catch(() => undefined);
    }, STUCK_MS).unref();
  };
  client.on('close', look);
  client.on('disconnecting', look);

  let idle: NodeJS.Timeout | undefined;
  const beginAnew = (): void => {
    const isUseless = client.status !== 'ready' && client.status !== 'end';
    if (isUseless && isWanted()) client.disconnect(true);
  };
  for (const state of STATES) {
    client.on(state, () => {
      clearTimeout(idle);
      idle = setTimeout(beginAnew, idleMs).unref();
    });
  }
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
