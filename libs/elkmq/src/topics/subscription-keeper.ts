import type { QueueContext } from '../context/queue-context.js';
import { UnsubscribedError } from '../model/errors.js';
import type { Connection } from '../redis/connection.js';
import { TopicKeys } from '../model/topic-keys.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { runScript } from '../redis/scripts.js';
import type { Retention } from './subscription.js';
import { changeSubscription, readTable } from './table-changes.js';

/** The pause between two looks at the table, ms. */
const LOOK_INTERVAL_MS = 10_000;

/** The subscription that a worker serves. */
export interface ServedSubscription {
  readonly topic: string;
  readonly name: string;
  /** The patterns that it must have. Others that it has stay. */
  readonly patterns: readonly string[];
  /** Default: the retention stays as it is. */
  readonly retention?: Retention | undefined;
}

export interface KeeperListener {
  /** Something is wrong that the queue can live with. */
  warned?(message: string): void;
  /** The subscription was removed. The listener must stop the worker. This is called once. */
  unsubscribed?(error: UnsubscribedError): void;
}

/**
 * Keeps the subscription of a worker in the table of its topic. A subscription that was removed is not
 * brought back. When the table was deleted by hand, the subscription is added again.
 */
export class SubscriptionKeeper {
  readonly #served: ServedSubscription;
  readonly #keys: TopicKeys;
  readonly #listener: KeeperListener;
  readonly #task: PeriodicTask;
  #hasJoined = false;
  #isRemoved = false;

  constructor(context: QueueContext, served: ServedSubscription, listener: KeeperListener) {
    this.#served = served;
    this.#keys = new TopicKeys(served.topic);
    this.#listener = listener;
    const options = {
      name: 'the table of the topic',
      intervalMs: LOOK_INTERVAL_MS,
      connection: context.connection,
    };
    this.#task = new PeriodicTask(options, () => this.join(context.connection));
  }

  /**
   * Adds the subscription to the table, unless it is there, and makes the group of its queue. The first call
   * adds the patterns. Later ones do not: somebody may have removed them.
   * @throws {UnsubscribedError}
   * @throws {TooManySubscriptionsError}
   */
  async join({ client }: Connection): Promise<void> {
    const { name, patterns, retention } = this.#served;
    const isFirst = !this.#hasJoined;
    try {
      const wasThere = await changeSubscription(
        this.#keys,
        name,
        {
          patterns: (now) => (isFirst || now.length === 0 ? [...new Set([...now, ...patterns])] : now),
          retention: isFirst ? retention : undefined,
          mayReturn: false,
        },
        () => readTable(client, this.#keys),
        (call) => runScript(client, call),
      );
      this.#hasJoined = true;
      if (!isFirst && !wasThere) this.#warnOfLoss();
    } catch (error) {
      if (!isFirst && error instanceof UnsubscribedError) this.#removed(error);
      throw error;
    }
  }

  /** Looks at the table from time to time. */
  startLooking(): void {
    this.#task.startTask();
  }

  stopLooking(): Promise<void> {
    return this.#task.stopTask();
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
