import { GROUP } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { followTable } from './partitioned-table.js';
import type { Subscription } from './subscription.js';
import { callsOf } from './table-changes.js';
import type { SubscriptionTable } from './table.js';

/** The pause between two looks at the queues of a topic, ms. */
const LOOK_INTERVAL_MS = 5_000;
/** The number of entries of one call, and their bytes: about half a millisecond of Redis. */
const ENTRIES_PER_CALL = 100;
const BYTES_PER_CALL = 1024 * 1024;

/** What a partition of a topic knows of the others. */
export interface TopicPartition {
  /** The keys of partition 0, whose table decides. */
  readonly leader: TopicKeys;
  /** The number of partitions. */
  readonly count: number;
}

/**
 * Keeps the queues of a topic within the retention of their subscriptions. Queues grow only while somebody
 * publishes, so publishers do it: one of them every five seconds. In a partition of a topic each queue has
 * its share of `max`, and the table of the partition follows that of partition 0 then.
 */
export class RetentionKeeper {
  readonly #connection: Connection;
  readonly #keys: TopicKeys;
  readonly #publisher: string;
  readonly #table: () => SubscriptionTable;
  readonly #warn: (message: string) => void;
  readonly #partition: TopicPartition | undefined;
  readonly #task: PeriodicTask;
  #hasPublished = false;

  /**
   * @param publisher id of the client
   * @param partition is given in a partition of a topic
   */
  constructor(
    connection: Connection,
    keys: TopicKeys,
    publisher: string,
    table: () => SubscriptionTable,
    warn: (message: string) => void,
    partition?: TopicPartition,
  ) {
    this.#connection = connection;
    this.#keys = keys;
    this.#publisher = publisher;
    this.#table = table;
    this.#warn = warn;
    this.#partition = partition;
    const onRefused = (name: string, error: Error): void => {
      warn(`${name}: held up: ${error.message}`);
    };
    const options = { name: 'retention', intervalMs: LOOK_INTERVAL_MS, connection, onRefused };
    this.#task = new PeriodicTask(options, () => this.#run());
    this.#task.startTask();
  }

  /** Something was published. */
  published(): void {
    this.#hasPublished = true;
  }

  /** Deletes nothing more. */
  stopTrimming(): Promise<void> {
    return this.#task.stopTask();
  }

  async #run(): Promise<void> {
    if (!this.#hasPublished) return;
    const turn = [this.#keys.retentionTurn, this.#publisher, 'NX', 'PX', LOOK_INTERVAL_MS];
    if ((await send(this.#connection.client, 'set', turn)) === null) return;
    this.#hasPublished = false;
    for (const subscription of this.#table().subscriptions) await this.#trim(subscription);
    if (!this.#partition) return;
    await followTable(this.#partition.leader, this.#keys, callsOf(this.#connection.client));
  }

  async #trim({ name, retention }: Subscription): Promise<void> {
    const { trimmed } = this.#keys;
    const max = Math.ceil(retention.max / (this.#partition?.count ?? 1));
    const { maxAge } = retention;
    const args = { group: GROUP, name, max, maxAge, limit: ENTRIES_PER_CALL, budget: BYTES_PER_CALL };
    const { eventStream, lanes, laneBodies, cancelled } = this.#keys.queueKeys(name);
    const call = scripts.trimWaiting({ eventStream, lanes, laneBodies, cancelled, trimmed }, args);
    let total = 0;
    for (let hasMore = 1; hasMore === 1 && !this.#task.isStopped;) {
      const answer = (await runScript(this.#connection.client, call)) as [number, number];
      total += answer[0];
      hasMore = answer[1];
    }
    if (total === 0) return;
    const where = this.#partition ? ` in the partition '${this.#keys.topic}'` : '';
    this.#warn(
      `the subscription '${name}' has lost the ${String(total)} message(s) that had waited longest${where}: its retention${where && ' there'} is ${String(max)} messages and ${String(maxAge)} ms`,
    );
  }
}
