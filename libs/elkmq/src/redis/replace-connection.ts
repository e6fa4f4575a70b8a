import type { Cluster, Command, Redis } from 'ioredis';
import { ClusterSlots } from './cluster-slots.js';

/** Connections that this has ended. ioredis adds a listener to one each time it ends it. */
const ended = new WeakSet<object>();

/**
 * Replaces the connection over which a command has failed. A Cluster client loses its connection to one
 * server only, because the others may be well: it makes a new one for the next command that needs it.
 */
export function replaceConnection(client: Redis | Cluster, command: Command): void {
  if (!client.isCluster) {
    endOnce(client as Redis, true);
    return;
  }
  const slot = command.getSlot() as number | null;
  // A command without a key can have gone to any server.
  if (slot === null) client.disconnect(true);
  else {
    const master = ClusterSlots.of(client as Cluster).masterOf(slot);
    if (master) endOnce(master.node, false);
  }
}

/** Many commands may fail on one connection. It is ended once. */
function endOnce(client: Redis, reconnects: boolean): void {
  const { stream } = client as { stream?: object };
  if (stream) {
    if (ended.has(stream)) return;
    ended.add(stream);
  }
  client.disconnect(reconnects);
}
