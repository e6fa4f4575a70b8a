import { GROUP } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { Subscription } from './subscription.js';
import type { SubscriptionTable } from './table.js';

/** The pause between two looks at the queues of a topic, ms. */
const LOOK_INTERVAL_MS = 5_000;
/** The number of entries of one call, and their bytes: about half a millisecond of Redis. */
const ENTRIES_PER_CALL = 100;
const BYTES_PER_CALL = 1024 * 1024;

/**
 * Keeps the queues of a topic within the retention of their subscriptions. Queues grow only while somebody
 * publishes, so publishers do it: one of them every five seconds.
 */
export class RetentionKeeper {
  readonly #connection: Connection;
  readonly #keys: TopicKeys;
  readonly #publisher: string;
  readonly #table: () => SubscriptionTable;
  readonly #warn: (message: string) => void;
  readonly #task: PeriodicTask;
  #hasPublished = false;

  /** @param publisher id of the client */
  constructor(
    connection: Connection,
    keys: TopicKeys,
    publisher: string,
    table: () => SubscriptionTable,
    warn: (message: string) => void,
  ) {
    this.#connection = connection;
    this.#keys = keys;
    this.#publisher = publisher;
    this.#table = table;
    this.#warn = warn;
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
  }

  async #trim({ name, retention }: Subscription): Promise<void> {
    const { trimmed } = this.#keys;
    const args = { group: GROUP, name, ...retention, limit: ENTRIES_PER_CALL, budget: BYTES_PER_CALL };
    const { eventStream, lanes, laneBodies, cancelled } = this.#keys.queueKeys(name);
    const call = scripts.trimWaiting({ eventStream, lanes, laneBodies, cancelled, trimmed }, args);
    let total = 0;
    for (let hasMore = 1; hasMore === 1 && !this.#task.isStopped;) {
      const answer = (await runScript(this.#connection.client, call)) as [number, number];
      total += answer[0];
      hasMore = answer[1];
    }
    if (total === 0) return;
    this.#warn(
      `the subscription '${name}' has lost the ${String(total)} message(s) that had waited longest: its retention is ${String(retention.max)} messages and ${String(retention.maxAge)} ms`,
    );
  }
}
