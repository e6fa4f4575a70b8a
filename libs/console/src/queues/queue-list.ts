import { DequeueError, queues as findQueues } from 'elkmq';
import type { MinuteRates, QueueState, ScheduleState, TopicState, WorkerInfo } from 'elkmq';
import {
  COMMAND_TIMEOUT_MS,
  Connection,
  RedisSource,
  type AdminContext,
  type QueueKeys,
} from 'elkmq/internal';
import {
  readAllLatestRates,
  readAllWorkers,
  readPartitionKeys,
  readSchedules,
  readTopicPartitions,
  readTopicState,
  readWholeState,
  removeSchedule,
} from 'elkmq/internal';
import type { ConsoleOptions } from '../options.js';
import { consoleIsClosed } from './admin-pool.js';

/**
 * The state of a queue, and how many messages were handled in each minute of the last hour, the latest
 * last.
 */
export type StateWithRates = QueueState & { readonly handled: readonly number[] };

/** One queue of the list: its state, or the reason why Redis does not tell. */
export type ListedQueue = { readonly name: string } & (StateWithRates | { readonly error: string });

/** A schedule of a queue without its payload: `redact` hides parts of messages, and a schedule is none. */
export type ListedSchedule = Omit<ScheduleState, 'data'>;

/** The names of the queues. */
export interface QueueNames {
  readonly names: readonly string[];
  /** Whether all keys of Redis were looked at. */
  readonly isComplete: boolean;
}

/** The time that Redis may take for one call, ms. */
const TIMEOUT_MS = 10_000;
/** The minutes of the small chart in the list. */
const MINUTES_IN_LIST = 60;
/** The time for which the names that were found are used, ms: the search looks at all keys. */
const NAMES_AGE_MS = 15_000;

/** Reads the states, the workers and the schedules of all queues, and removes schedules, over one connection. */
export class QueueList {
  readonly #options: ConsoleOptions;
  #opened: { source: RedisSource; connection: Connection } | undefined;
  #isClosed = false;
  #names: { promise: Promise<QueueNames>; at: number } | undefined;

  constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  /** The names of the queues: those of the option, or those that are found in Redis. */
  async readNames(): Promise<QueueNames> {
    const { queues, redis, credentials } = this.#options;
    if (queues) return { names: [...queues].sort(), isComplete: true };
    if (this.#isClosed) throw consoleIsClosed();
    if (!this.#names || Date.now() - this.#names.at > NAMES_AGE_MS) {
      const promise = findQueues(redis, { credentials, timeout: TIMEOUT_MS }).then((found) => ({
        names: found.queues,
        isComplete: found.isComplete,
      }));
      const names = { promise, at: Date.now() };
      this.#names = names;
      promise.catch(() => {
        if (this.#names === names) this.#names = undefined;
      });
    }
    return this.#names.promise;
  }

  /** Reads the states of queues. A queue that Redis does not tell of does not hide the others. */
  async readStates(names: readonly string[]): Promise<ListedQueue[]> {
    return Promise.all(
      names.map(async (name): Promise<ListedQueue> => {
        try {
          const [state, rates] = await Promise.all([
            this.#read(name, readWholeState),
            // The state is told also where Redis refuses the rates.
            this.readRates(name, MINUTES_IN_LIST).catch(() => []),
          ]);
          return { name, ...state, handled: rates.map(({ handled }) => handled) };
        } catch (error) {
          if (error instanceof DequeueError) return { name, error: error.message };
          throw error;
        }
      }),
    );
  }

  async readWorkers(queue: string): Promise<WorkerInfo[]> {
    return this.#read(queue, readAllWorkers);
  }

  /** The latest minutes of a queue, the earliest first. */
  async readRates(queue: string, minutes: number): Promise<MinuteRates[]> {
    return this.#read(queue, (connection, partitions, timeoutMs) => {
      const contexts = partitions.map((keys) => ({ connection, keys, timeoutMs }));
      return readAllLatestRates(contexts, minutes);
    });
  }

  /** The schedules of a queue, by name. Those of a queue with partitions are in partition 0. */
  async readSchedules(queue: string): Promise<ListedSchedule[]> {
    const schedules = await this.#withPartition0(queue, readSchedules);
    return schedules.map(({ name, cron, timezone, action, missed, next, declaredAt }) => {
      return { name, cron, timezone, action, missed, next, declaredAt };
    });
  }

  /** @returns whether the schedule was there */
  async removeSchedule(queue: string, name: string): Promise<boolean> {
    return this.#withPartition0(queue, (context) => removeSchedule(context, name));
  }

  /** Reads the state of a topic. One that Redis does not tell of does not hide the others. */
  async readTopic(topic: string): Promise<TopicState | { readonly error: string }> {
    const { connection } = this.#connect();
    try {
      const partitions = await readTopicPartitions(connection, topic, TIMEOUT_MS);
      return await readTopicState(connection, partitions, TIMEOUT_MS);
    } catch (error) {
      if (error instanceof DequeueError) return { error: error.message };
      throw error;
    }
  }

  async closeList(): Promise<void> {
    this.#isClosed = true;
    await this.#opened?.connection.closeConnection();
  }

  async #withPartition0<T>(queue: string, use: (context: AdminContext) => Promise<T>): Promise<T> {
    return this.#read(queue, (connection, [keys], timeoutMs) =>
      use({ connection, keys: keys as QueueKeys, timeoutMs }),
    );
  }

  async #read<T>(
    queue: string,
    read: (connection: Connection, partitions: readonly QueueKeys[], timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const { source, connection } = this.#connect();
    const partitions = await readPartitionKeys(connection, queue, source.isCluster, TIMEOUT_MS);
    return read(connection, partitions, TIMEOUT_MS);
  }

  /** @throws {ConnectionError} when the list is closed */
  #connect(): { source: RedisSource; connection: Connection } {
    if (this.#isClosed) throw consoleIsClosed();
    if (!this.#opened) {
      const source = new RedisSource(this.#options.redis, this.#options.credentials);
      this.#opened = { source, connection: new Connection(source, COMMAND_TIMEOUT_MS) };
    }
    return this.#opened;
  }
}
