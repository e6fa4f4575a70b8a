import type { QueueContext } from '../context/queue-context.js';
import { UnsubscribedError } from '../model/errors.js';
import type { Connection } from '../redis/connection.js';
import { TopicKeys } from '../model/topic-keys.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { followSubscription } from './partitioned-table.js';
import type { Retention } from './subscription.js';
import {
  callsOf,
  changeSubscription,
  removedError,
  writeSubscription,
  type SubscriptionChange,
  type TableCalls,
} from './table-changes.js';

/** The pause between two looks at the table, ms. */
const LOOK_INTERVAL_MS = 10_000;

/** The subscription that a worker serves. */
export interface ServedSubscription {
  readonly topic: string;
  readonly name: string;
  /** The patterns that it must have. Others that it has stay. */
  readonly patterns: readonly string[];
  /** What is not given stays as it is. */
  readonly retention?: Partial<Retention> | undefined;
  /** The name of partition 0, when this is the subscription in another partition of its topic. */
  readonly leader?: string | undefined;
}

export interface KeeperListener {
  /** Something is wrong that the queue can live with. */
  warned?(message: string): void;
  /** The subscription was removed. The listener must stop the worker. This is called once. */
  unsubscribed?(error: UnsubscribedError): void;
}

/**
 * Keeps the subscription of a worker in the table of its topic. A subscription that was removed is not
 * brought back. When the table was deleted by hand, the subscription is added again. In a partition it
 * follows the table of partition 0: see `followSubscription`.
 */
export class SubscriptionKeeper {
  readonly #served: ServedSubscription;
  readonly #keys: TopicKeys;
  /** The keys of partition 0, for a worker of another partition. */
  readonly #leader: TopicKeys | undefined;
  readonly #listener: KeeperListener;
  readonly #task: PeriodicTask;
  #hasJoined = false;
  #isRemoved = false;

  constructor(context: QueueContext, served: ServedSubscription, listener: KeeperListener) {
    this.#served = served;
    this.#keys = new TopicKeys(served.topic);
    this.#leader = served.leader === undefined ? undefined : new TopicKeys(served.leader);
    this.#listener = listener;
    const options = {
      name: 'the table of the topic',
      intervalMs: LOOK_INTERVAL_MS,
      connection: context.connection,
    };
    this.#task = new PeriodicTask(options, () => this.#keep(context.connection));
  }

  /**
   * Adds the subscription to the table, unless it is there, and makes the group of its queue. The first call
   * adds the patterns. Later ones do not: somebody may have removed them. In a partition whose table has all
   * that is needed, partition 0 is not asked, which may be away.
   * @throws {UnsubscribedError}
   * @throws {TooManySubscriptionsError}
   */
  async join(connection: Connection): Promise<void> {
    if (this.#leader && (await this.#joinAlone(callsOf(connection.client)))) this.#hasJoined = true;
    else await this.#keep(connection);
  }

  /** Looks at the table from time to time. */
  startLooking(): void {
    this.#task.startTask();
  }

  stopLooking(): Promise<void> {
    return this.#task.stopTask();
  }

  async #keep({ client }: Connection): Promise<void> {
    const isFirst = !this.#hasJoined;
    const calls = callsOf(client);
    try {
      const leader = this.#leader;
      const wasThere = await (leader ? this.#follow(leader, calls) : this.#add(this.#keys, calls));
      this.#hasJoined = true;
      if (!isFirst && !wasThere) this.#warnOfLoss();
    } catch (error) {
      if (!isFirst && error instanceof UnsubscribedError) this.#removed(error);
      throw error;
    }
  }

  /** @returns whether the table had the subscription */
  #add(keys: TopicKeys, calls: TableCalls): Promise<boolean> {
    const { name, patterns, retention } = this.#served;
    const isFirst = !this.#hasJoined;
    const change: SubscriptionChange = {
      patterns: (now, isThere) => (isFirst || !isThere ? [...new Set([...now, ...patterns])] : now),
      retention: isFirst ? retention : undefined,
      mayReturn: false,
    };
    return changeSubscription(keys, name, change, calls);
  }

  /**
   * Follows partition 0, which must have the subscription first.
   * @returns whether the table of this partition had it
   */
  async #follow(leader: TopicKeys, calls: TableCalls): Promise<boolean> {
    const { name } = this.#served;
    let wasThere = true;
    if (!this.#hasJoined) await this.#add(leader, calls);
    for (;;) {
      const { table, hadIt } = await followSubscription(leader, this.#keys, name, calls);
      if (table.texts.has(name)) return wasThere && hadIt;
      if (table.removed.has(name)) throw removedError(leader, name, table.removed.get(name));
      // Partition 0 has lost it, and its worker adds it again.
      if (hadIt) return true;
      wasThere = false;
      await this.#add(leader, calls);
    }
  }

  /** Joins by the table of this partition alone. @returns whether it has all that is needed */
  async #joinAlone(calls: TableCalls): Promise<boolean> {
    const { name, patterns, retention } = this.#served;
    const table = await calls.read(this.#keys);
    const text = table.texts.get(name);
    const known = table.subscriptions.find((subscription) => subscription.name === name);
    if (text === undefined || !known) return false;
    if (!this.#hasJoined) {
      const { max, maxAge } = { ...known.retention, ...retention };
      const isKept = max === known.retention.max && maxAge === known.retention.maxAge;
      if (!isKept || !patterns.every((pattern) => known.patterns.includes(pattern))) return false;
    }
    return (await writeSubscription(this.#keys, name, text, text, false, calls)) === 'OK';
  }

  #warnOfLoss(): void {
    const { topic, name } = this.#served;
    this.#listener.warned?.(
      `the table of the topic '${topic}' had lost the subscription '${name}', as when somebody deletes it by hand. It was added again. What was published in between did not reach it`,
    );
  }

  #removed(error: UnsubscribedError): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    this.#listener.unsubscribed?.(error);
  }
}
