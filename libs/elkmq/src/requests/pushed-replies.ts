import { setTimeout as sleep } from 'node:timers/promises';
import { parsePush } from '../model/push.js';
import { entriesOfReply, type StreamEntry } from '../model/stream-entries.js';
import { ChannelSubscriber } from '../redis/channel-subscriber.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask, type Timers } from '../redis/periodic-task.js';
import { isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { ShardSubscriber } from '../redis/shard-subscriber.js';
import type { Subscriber } from '../redis/channel-listener.js';
import type { InboxLog } from './inbox-log.js';
import type { ReplyReader, ReplyTroubles } from './reply-reader.js';

/** A reply that nobody has pushed waits for this time at most, ms. */
const LOOK_INTERVAL_MS = 1_000;
/** The pause after Redis has refused a read, ms. */
const RETRY_PAUSE_MS = 200;
/** The longest wait for the connection before this looks whether it is closed, ms. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Is notified of pushes that cannot be relied on. */
export interface PushListener extends ReplyTroubles {
  /** Whether a request waits for a reply. */
  isWaiting(): boolean;
  /** Redis refuses the subscription. */
  subscriptionRefused(error: Error): void;
  /** The inbox has an entry that was not pushed. */
  unannounced(): void;
}

/**
 * Subscribes to the pushes of an inbox. Pushes come in the order of the entries. The inbox itself is read,
 * without blocking, in three cases:
 * - after each subscription, from the beginning, because replies may have come before it;
 * - when a push has no replies in it, because they are large;
 * - once a second while requests wait or pushes come, because the worker may not push. The entries of that
 *   read must have been pushed by the time that the subscription has caught up.
 *
 * A reply that comes too early shows that the one before it was not pushed. It is left in the inbox, which is
 * then read in its order.
 */
export class PushedReplies implements ReplyReader {
  readonly #connection: Connection;
  readonly #log: InboxLog;
  readonly #listener: PushListener;
  readonly #subscriber: Subscriber;
  readonly #lookTask: PeriodicTask;
  #isClosed = false;
  /** Whether the inbox is being read to its end. That read brings what is pushed meanwhile, in its order. */
  #isBehind = false;
  #isReading = false;
  /** Whether the read that is under way may have come too early. */
  #isReadStale = false;
  /** Whether a push has come since the last look. An entry before it may not have been pushed. */
  #hasReceived = false;
  /** The entries that were pushed since the look that is under way has begun. */
  #pushed: Set<string> | undefined;
  /** The session of the connection in which the inbox was read. */
  #session: number;

  /** @param connection for all reads */
  constructor(
    source: RedisSource,
    connection: Connection,
    log: InboxLog,
    listener: PushListener,
    timers?: Timers,
  ) {
    this.#connection = connection;
    this.#session = connection.session;
    this.#log = log;
    this.#listener = listener;
    const SubscriberClass = source.isCluster ? ShardSubscriber : ChannelSubscriber;
    this.#subscriber = new SubscriberClass(
      source,
      log.key,
      {
        subscribed: () => {
          this.#readFromStart();
        },
        received: (message) => {
          this.#receive(message);
        },
        refused: (error) => {
          listener.subscriptionRefused(error);
        },
        disconnected: (error) => {
          listener.disconnected(error);
        },
      },
      connection,
    );
    const task = { name: 'replies', intervalMs: LOOK_INTERVAL_MS, connection, ...(timers && { timers }) };
    this.#lookTask = new PeriodicTask(task, () => this.#look());
    this.#lookTask.startTask();
  }

  closeReader(): Promise<void> {
    this.#isClosed = true;
    // The look that may be under way takes nothing more. A Redis that is away must not hold up the end.
    void this.#lookTask.stopTask();
    return this.#subscriber.closeSubscriber();
  }

  #receive(message: string): void {
    const push = parsePush(message);
    if (!push) return;
    const { id, replies } = push;
    this.#hasReceived = true;
    this.#pushed?.add(id);
    if (this.#isBehind) this.#isReadStale = true;
    else if (replies === undefined) this.#readOn();
    else if (!this.#log.takePush(id, replies)) this.#missed();
  }

  #readFromStart(): void {
    this.#session = this.#connection.session;
    this.#log.readAgain();
    // Without a subscription nothing was pushed, so a look that is under way proves nothing.
    this.#pushed = undefined;
    this.#readOn();
  }

  /** Reads the inbox to its end, however long that takes. */
  #readOn(): void {
    this.#isBehind = true;
    this.#isReadStale = true;
    if (!this.#isReading) void this.#readUntilDone();
  }

  async #readUntilDone(): Promise<void> {
    this.#isReading = true;
    while (this.#isReadStale && !this.#isOver()) {
      this.#isReadStale = false;
      try {
        while ((await this.#readOnce(this.#log.last)).length > 0);
      } catch (error) {
        this.#isReadStale = true;
        await this.#recover(error);
      }
    }
    this.#isReading = false;
    this.#isBehind = false;
  }

  /** @returns the entries that come after `from`; they have been taken */
  async #readOnce(from: string): Promise<StreamEntry[]> {
    const entries = entriesOfReply(await this.#log.read(this.#connection.client, from));
    // Another reader takes them.
    if (this.#isClosed) return [];
    this.#listener.recovered();
    this.#log.takeEntries(entries);
    return entries;
  }

  async #recover(error: unknown): Promise<void> {
    if (isReplyError(error)) this.#listener.refused(error);
    else if (!this.#connection.isConnected) {
      await this.#connection.whenConnected(CONNECT_TIMEOUT_MS).catch(() => undefined);
      return;
    }
    await sleep(RETRY_PAUSE_MS, undefined, { ref: false });
  }

  #isOver(): boolean {
    return this.#isClosed || this.#connection.status === 'closed';
  }

  /** Looks for entries that were not pushed. */
  async #look(): Promise<void> {
    this.#pushed = undefined;
    if (this.#isBehind || !(this.#hasReceived || this.#listener.isWaiting())) return;
    if (this.#session !== this.#connection.session) {
      // The connection before may have led to another server, whose ids say nothing of this one.
      this.#readFromStart();
      return;
    }
    const pushed = new Set<string>();
    this.#pushed = pushed;
    // The entries that are left then were not pushed yet, or never will be.
    this.#log.deleteTaken();
    const read = await this.#readAll();
    const areAllPushed = (): boolean => read.every((id) => pushed.has(id));
    const hasCaughtUp = areAllPushed() || (await this.#subscriber.catchUp());
    if (hasCaughtUp && this.#pushed === pushed && !areAllPushed()) this.#missed();
    this.#hasReceived = pushed.size > 0;
    this.#pushed = undefined;
  }

  /** @returns the ids of all entries of the inbox */
  async #readAll(): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const entries = await this.#readOnce(ids.at(-1) ?? '0-0');
      if (entries.length === 0) return ids;
      for (const [id] of entries) ids.push(id);
    }
  }

  /** An entry was not pushed. On Cluster that may be because the slot of the inbox moves. */
  #missed(): void {
    if (!this.#subscriber.renewSubscription()) this.#listener.unannounced();
  }
}
