import type { Cluster, Redis } from 'ioredis';
import { withinTime } from './within-time.js';

/** The longest wait for a new table, ms. */
const PATIENCE_MS = 2_000;

/** The server that has a slot, as the table of a client names it. */
export interface SlotMaster {
  /** `host:port`, as the client reaches it. */
  readonly name: string;
  /** The client's own connection to it. */
  readonly node: Redis;
}

const tables = new WeakMap<Cluster, SlotTable>();

/**
 * The table of slots that a Cluster client of ioredis keeps. The client fetches it anew when a slot has
 * moved.
 */
export class SlotTable {
  readonly #cluster: Cluster;
  readonly #listeners = new Set<() => void>();

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.on('refresh', () => {
      for (const listener of this.#listeners) listener();
    });
  }

  /** The table of a client, one for all who ask: Node warns of an emitter that has many listeners. */
  static of(cluster: Cluster): SlotTable {
    const table = tables.get(cluster) ?? new SlotTable(cluster);
    tables.set(cluster, table);
    return table;
  }

  /**
   * Calls `listener` whenever the client has fetched the table.
   * @returns a function that ends that
   */
  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The master of a slot; `undefined` while the client does not know it. */
  masterOf(slot: number): SlotMaster | undefined {
    const name = this.#cluster.slots[slot]?.[0];
    const node = this.#cluster.nodes().find(({ options: { host, port } }) => `${host}:${port}` === name);
    return name === undefined || !node ? undefined : { name, node };
  }

  /** Fetches the table. It stays as it is when no server answers. */
  async refreshTable(): Promise<void> {
    const refreshed = new Promise<void>((resolve) => {
      this.#cluster.refreshSlotsCache(() => {
        resolve();
      });
    });
    await withinTime(refreshed, PATIENCE_MS, undefined);
  }
}
