import type { Cluster, Redis } from 'ioredis';
import { withinTime } from './within-time.js';

/** The longest wait for new slots, ms. */
const TIMEOUT_MS = 2_000;

/** The server that has a slot, as a client knows it. */
export interface ClusterSlotMaster {
  /** `host:port`, as the client reaches it. */
  readonly name: string;
  /** The client's own connection to it. */
  readonly node: Redis;
}

const slotsOfClients = new WeakMap<Cluster, ClusterSlots>();

/** The slots that a Cluster client of ioredis knows. The client fetches them anew when a slot has moved. */
export class ClusterSlots {
  readonly #cluster: Cluster;
  readonly #listeners = new Set<() => void>();

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.on('refresh', () => {
      for (const listener of this.#listeners) listener();
    });
  }

  /** The slots of a client, one object for all who ask: Node warns of an emitter that has many listeners. */
  static of(cluster: Cluster): ClusterSlots {
    const slots = slotsOfClients.get(cluster) ?? new ClusterSlots(cluster);
    slotsOfClients.set(cluster, slots);
    return slots;
  }

  /**
   * Calls `listener` whenever the client has fetched the slots.
   * @returns a function that ends that
   */
  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The master of a slot; `undefined` while the client does not know it. */
  masterOf(slot: number): ClusterSlotMaster | undefined {
    const name = this.#cluster.slots[slot]?.[0];
    const node = this.#cluster.nodes().find(({ options: { host, port } }) => `${host}:${port}` === name);
    return name === undefined || !node ? undefined : { name, node };
  }

  /** Fetches the slots. They stay as they are when no server answers. */
  async refreshSlots(): Promise<void> {
    const refreshed = new Promise<void>((resolve) => {
      this.#cluster.refreshSlotsCache(() => {
        resolve();
      });
    });
    await withinTime(refreshed, TIMEOUT_MS, undefined);
  }
}
