import { readPartitionKeys } from '../admin/partition-number.js';
import { describeAway, readWholeState } from '../admin/partitioned-state.js';
import { refusalsNamed } from '../admin/admin-call.js';
import type { QueueKeys } from '../model/keys.js';
import { reportOnce } from '../model/report-once.js';
import { COMMAND_TIMEOUT_MS, type Connection } from '../redis/connection.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { reliably } from '../redis/reliable-call.js';
import { send } from '../redis/scripts.js';
import type { PartitionedWorker } from './partitioned-worker.js';
import type { Worker } from './worker.js';
import type { SuccessorListener } from './worker-options.js';

/** The pause between two looks at the predecessor, ms. */
const LOOK_INTERVAL_MS = 1_000;
/** The field of the control that has the name of the predecessor, once it was empty. */
const FIELD = 'after';

/**
 * The worker of a queue that comes after another one, its predecessor. It takes nothing until nothing waits,
 * runs or is delayed in the predecessor, so messages of an ordering key keep their order across both.
 *
 * The first worker that finds the predecessor empty says so in Redis. From then on no worker of the queue
 * waits, also when a late message comes into the predecessor: a queue that is in use never stands still.
 */
export class SuccessorWorker {
  readonly connection: Connection;
  readonly #worker: Worker | PartitionedWorker;
  readonly #keys: QueueKeys;
  readonly #predecessor: string;
  readonly #isCluster: boolean;
  readonly #listener: SuccessorListener;
  readonly #warned: (message: string) => void;
  readonly #task: PeriodicTask;
  #isWaiting = false;

  /**
   * @param worker that of the queue
   * @param keys of the queue, or of its partition 0
   */
  constructor(
    worker: Worker | PartitionedWorker,
    keys: QueueKeys,
    predecessor: string,
    isCluster: boolean,
    listener: SuccessorListener,
  ) {
    this.connection = worker.connection;
    this.#worker = worker;
    this.#keys = keys;
    this.#predecessor = predecessor;
    this.#isCluster = isCluster;
    this.#listener = listener;
    this.#warned = reportOnce((message) => {
      listener.warned(message);
    });
    const options = {
      name: 'the look at the predecessor',
      intervalMs: LOOK_INTERVAL_MS,
      connection: this.connection,
    };
    this.#task = new PeriodicTask(options, () => this.#lookAgain());
  }

  countRunning(): number {
    return this.#worker.countRunning();
  }

  /**
   * Starts the worker. It takes messages when the predecessor is empty.
   * @throws {ConnectionError} when Redis does not answer within `timeoutMs` ms
   * @throws {DequeueError} when Redis refuses
   * @throws {InvalidOptionError} when the predecessor is a partition of a queue
   */
  async start(timeoutMs: number): Promise<void> {
    this.#see(await this.#readWhatIsLeft(timeoutMs));
    await this.#worker.start(timeoutMs);
    if (this.#isWaiting) this.#task.startTask();
  }

  async stop(drainTimeout: number): Promise<{ running: number; unsettled: number }> {
    const [left] = await Promise.all([this.#worker.stop(drainTimeout), this.#task.stopTask()]);
    return left;
  }

  async #lookAgain(): Promise<void> {
    if (!this.#isWaiting) return;
    try {
      const left = await this.#readWhatIsLeft(COMMAND_TIMEOUT_MS);
      if (!this.#task.isStopped) this.#see(left);
    } catch (error) {
      if (this.#task.isStopped) return;
      this.#warned(`it is not known whether '${this.#predecessor}' is empty: ${(error as Error).message}`);
    }
  }

  #see(left: string | undefined): void {
    const isWaiting = left !== undefined;
    if (isWaiting === this.#isWaiting) return;
    this.#isWaiting = isWaiting;
    this.#worker.waitFor(isWaiting ? this.#predecessor : undefined);
    this.#listener.waiting(isWaiting ? `'${this.#predecessor}' (${left})` : undefined);
    if (!isWaiting) void this.#task.stopTask();
  }

  /**
   * Reads what is left in the predecessor, in words; `undefined` when the queue may begin. Another process
   * may register the partitions of the predecessor at any time, so their number is read each time.
   */
  async #readWhatIsLeft(timeoutMs: number): Promise<string | undefined> {
    const { connection } = this;
    const predecessor = this.#predecessor;
    if ((await this.#control('hget', [], timeoutMs)) === predecessor) return undefined;
    const partitions = await readPartitionKeys(connection, predecessor, this.#isCluster, timeoutMs);
    const {
      waiting,
      running,
      delayed,
      workers,
      away = [],
    } = await readWholeState(connection, partitions, timeoutMs);
    for (const partition of away) this.#warned(`'${predecessor}': ${describeAway(partition)}`);
    if (waiting + running + delayed + away.length === 0) {
      await this.#control('hset', [predecessor], timeoutMs);
      return undefined;
    }
    const counts = `${String(waiting)} waiting, ${String(running)} running, ${String(delayed)} delayed`;
    return `${counts}, ${String(workers)} workers`;
  }

  #control(command: string, value: string[], timeoutMs: number): Promise<unknown> {
    const args = [this.#keys.control, FIELD, ...value];
    return refusalsNamed(reliably(this.connection, (client) => send(client, command, args), timeoutMs));
  }
}
