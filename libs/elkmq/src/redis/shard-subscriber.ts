import { setTimeout as sleep } from 'node:timers/promises';
import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import type { Connection } from './connection.js';
import { reconnectPause } from './reconnect-pause.js';
import type { RedisSource } from './redis-source.js';
import { ShardConnection } from './shard-connection.js';
import { ClusterSlots, type ClusterSlotMaster } from './cluster-slots.js';
import type { Subscriber, ChannelListener } from './channel-listener.js';

/** The longest pause between two tries to subscribe, ms. */
const LONGEST_PAUSE_MS = 500;
/** The longest wait for the connection beside this before this looks whether it is closed, ms. */
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * So often a missed message is put down to a slot on its way, as long as the subscription stays at one
 * server. It can be missed when the script was run at the server that is to have the slot, before the slot
 * was its own.
 */
const RENEWALS_AT_ONE_SERVER = 3;

/**
 * Subscribes to one channel of Redis Cluster 7, at the master of its slot. ioredis would do that by
 * connections that this package can neither log in again nor watch. Whenever a subscription ends, or the
 * client learns of another master, there is a new one at the master that the client knows then.
 */
export class ShardSubscriber implements Subscriber {
  readonly #source: RedisSource;
  readonly #channel: string;
  readonly #listener: ChannelListener;
  readonly #beside: Connection;
  readonly #clusterSlots: ClusterSlots;
  readonly #slot: number;
  readonly #stopFollowing: () => void;
  #current: ShardConnection | undefined;
  #isClosed = false;
  /** The server at which the subscription was made anew because of missed messages, and how often. */
  #renewedAt = '';
  #renewals = 0;

  /** @param beside a connection to the same Cluster */
  constructor(source: RedisSource, channel: string, listener: ChannelListener, beside: Connection) {
    this.#source = source;
    this.#channel = channel;
    this.#listener = listener;
    this.#beside = beside;
    this.#clusterSlots = ClusterSlots.of(beside.client as Cluster);
    this.#slot = keySlot(channel);
    this.#stopFollowing = this.#clusterSlots.onRefresh(() => {
      this.#follow();
    });
    void this.#run();
  }

  async catchUp(): Promise<boolean> {
    return this.#current?.isSubscribed === true && (await this.#current.catchUp());
  }

  renewSubscription(): boolean {
    const server = this.#current?.server;
    if (server === undefined) return true;
    if (server !== this.#renewedAt) this.#renewals = 0;
    this.#renewedAt = server;
    if (this.#renewals++ >= RENEWALS_AT_ONE_SERVER) return false;
    void this.#current?.endSubscription();
    return true;
  }

  async closeSubscriber(): Promise<void> {
    this.#isClosed = true;
    this.#stopFollowing();
    await this.#current?.endSubscription();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isOver()) {
      const master = this.#beside.isConnected ? this.#clusterSlots.masterOf(this.#slot) : undefined;
      const hasSubscribed = master !== undefined && (await this.#subscribeAt(master));
      failures = hasSubscribed ? 0 : failures + 1;
      await this.#prepareNext(failures);
    }
  }

  /**
   * Resolves when the subscription has ended.
   * @returns whether there was one
   */
  async #subscribeAt(master: ClusterSlotMaster): Promise<boolean> {
    const { credentials } = this.#source;
    this.#current = new ShardConnection(master, credentials, this.#channel, this.#listener);
    await this.#current.ended;
    const { hasSubscribed, error } = this.#current;
    this.#current = undefined;
    if (!hasSubscribed && error) this.#tellWhenAlone(error);
    return hasSubscribed;
  }

  /** Pauses, and fetches the slots. */
  async #prepareNext(failures: number): Promise<void> {
    if (this.#isOver()) return;
    if (!this.#beside.isConnected) {
      await this.#beside.whenConnected(CONNECT_TIMEOUT_MS).catch(() => undefined);
      return;
    }
    await sleep(reconnectPause(failures + 1, LONGEST_PAUSE_MS), undefined, { ref: false });
    if (!this.#isOver()) await this.#clusterSlots.refreshSlots();
  }

  /**
   * A replica would subscribe too, but later than its master. So the slots decide, and not the subscription.
   */
  #follow(): void {
    const master = this.#clusterSlots.masterOf(this.#slot);
    if (master && this.#current && master.name !== this.#current.server) void this.#current.endSubscription();
  }

  /** Reports that there is no connection, unless the other connection has none to that server either. */
  #tellWhenAlone(error: Error): void {
    this.#beside.whenSteady(() => {
      const isThere = this.#clusterSlots.masterOf(this.#slot)?.node.status === 'ready';
      if (isThere && !this.#isOver() && !this.#current?.isSubscribed) this.#listener.disconnected(error);
    });
  }

  #isOver(): boolean {
    return this.#isClosed || this.#beside.status === 'closed';
  }
}
