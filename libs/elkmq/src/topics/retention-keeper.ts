import { GROUP } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { withinTime } from '../redis/within-time.js';
import { readBusyLanes } from './busy-lanes.js';
import { followTable } from './partitioned-table.js';
import type { Subscription } from './subscription.js';
import { callsOf } from './table-changes.js';
import type { SubscriptionTable } from './table.js';

/** The pause between two looks at the queues of a topic, ms. */
const LOOK_INTERVAL_MS = 5_000;
/** The longest time that the last look of a publisher takes, ms. Mostly it is one round of calls. */
const LAST_LOOK_MS = 500;
/** The number of entries of one call, and their bytes: about half a millisecond of Redis. */
const ENTRIES_PER_CALL = 100;
const BYTES_PER_CALL = 1024 * 1024;
/** The number of busy lanes whose messages one call may delete. The call compares all of them. */
const BUSY_LANES_PER_CALL = 50;

/** What a partition of a topic knows of the others. */
export interface TopicPartition {
  /** The keys of partition 0, whose table decides. */
  readonly leader: TopicKeys;
  /** The number of partitions. */
  readonly count: number;
}

/**
 * Keeps the queues of a topic within the retention of their subscriptions. Queues grow only while somebody
 * publishes, so publishers do it: one of them every five seconds, also when it closes. In a partition of a
 * topic each queue has its share of `max`, and the table of the partition follows that of partition 0 then.
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

  /**
   * Looks a last time when something was published since the look before. So the queues stay bounded when
   * no publisher lives until its first look. Call it after `stopTrimming`. Never fails.
   */
  async lookOnceMore(): Promise<void> {
    if (!this.#hasPublished || !this.#connection.isConnected) return;
    const endsAt = performance.now() + LAST_LOOK_MS;
    const isInTime = (): boolean => performance.now() < endsAt;
    // Redis may be away, or refuse: the check of the rights has told that.
    const looked = this.#trimAllAtOnce(isInTime).catch(() => undefined);
    await withinTime(looked, LAST_LOOK_MS, undefined);
  }

  async #trimAllAtOnce(mayGoOn: () => boolean): Promise<void> {
    if (!(await this.#takeTurn())) return;
    await Promise.all(this.#table().subscriptions.map((subscription) => this.#trim(subscription, mayGoOn)));
  }

  async #run(): Promise<void> {
    if (!this.#hasPublished || !(await this.#takeTurn())) return;
    this.#hasPublished = false;
    const isRunning = (): boolean => !this.#task.isStopped;
    for (const subscription of this.#table().subscriptions) await this.#trim(subscription, isRunning);
    if (!this.#partition) return;
    await followTable(this.#partition.leader, this.#keys, callsOf(this.#connection.client));
  }

  /** @returns whether no other publisher looks in these five seconds */
  async #takeTurn(): Promise<boolean> {
    const turn = [this.#keys.retentionTurn, this.#publisher, 'NX', 'PX', LOOK_INTERVAL_MS];
    return (await send(this.#connection.client, 'set', turn)) !== null;
  }

  /** @param mayGoOn whether there is time for another call */
  async #trim(subscription: Subscription, mayGoOn: () => boolean): Promise<void> {
    const { name, retention } = subscription;
    const queue = this.#keys.queueKeys(name);
    const { eventStream, lanes, laneBodies, cancelled } = queue;
    const keys = { eventStream, lanes, laneBodies, cancelled, trimmed: this.#keys.trimmed };
    const max = Math.ceil(retention.max / (this.#partition?.count ?? 1));
    const { maxAge } = retention;
    const args = { group: GROUP, name, max, maxAge, limit: ENTRIES_PER_CALL, budget: BYTES_PER_CALL };
    const busyLanes = await readBusyLanes(this.#connection.client, queue);
    let spared = busyLanes.reduce((sum, { waiting }) => sum + waiting, 0);
    let total = 0;
    do {
      const some = busyLanes.splice(0, BUSY_LANES_PER_CALL);
      spared -= some.reduce((sum, { waiting }) => sum + waiting, 0);
      const call = scripts.trimWaiting(keys, { ...args, spared, keys: some.map(({ key }) => key) });
      for (let hasMore = 1; hasMore === 1 && mayGoOn();) {
        const answer = (await runScript(this.#connection.client, call)) as [number, number];
        total += answer[0];
        hasMore = answer[1];
      }
    } while (busyLanes.length > 0 && mayGoOn());
    if (total === 0) return;
    const where = this.#partition ? ` in the partition '${this.#keys.topic}'` : '';
    this.#warn(
      `the subscription '${name}' has lost the ${String(total)} message(s) that had waited longest${where}: its retention${where && ' there'} is ${String(max)} messages and ${String(maxAge)} ms`,
    );
  }
}
