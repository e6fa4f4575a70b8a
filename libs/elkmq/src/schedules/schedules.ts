import type { AdminContext } from '../admin/admin-call.js';
import { QueueContext } from '../context/queue-context.js';
import { ConnectionError } from '../model/errors.js';
import { parseListener } from '../model/listener.js';
import {
  checkGivenOptions,
  DEFAULTS,
  formatValue,
  parseMilliseconds,
  parseQueueName,
} from '../model/options.js';
import { QueueKeys } from '../model/keys.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { parseSchedule, parseScheduleName, type Schedule } from './schedule.js';
import { readSchedules, removeSchedule, type ScheduleState } from './schedule-state.js';
import { Scheduler } from './scheduler.js';

/** The options of `Schedules`. */
export interface SchedulesOptions {
  /** Fetches the credentials, as of an `EventQueue`. */
  readonly credentials?: CredentialsFunction | undefined;
  /** The time that Redis may take for one call, ms. Default 10,000. */
  readonly timeout?: number | undefined;
  /**
   * Is told what is not as it should be: occurrences that were missed, a schedule that was lost, a refusal of
   * Redis. Default: it becomes a warning of the process.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
}

const OPTIONS = Object.keys({
  credentials: true,
  onWarning: true,
  timeout: true,
} satisfies Record<keyof SchedulesOptions, true>);

/**
 * The schedules of a queue: events that come at the times of cron expressions. They are in Redis, so they
 * stay when all processes are restarted. While this object is open and has declared a schedule, it stores the
 * events that are due, as do all other processes with schedules of the queue: each occurrence becomes one
 * event.
 *
 * It connects at once; call `close` in the end. A queue with partitions has its schedules, and their events,
 * in partition 0.
 *
 * Every call may fail with one of these errors. `ConnectionError`: Redis takes longer than `timeout`, or this
 * is closed. `DequeueError`: Redis refuses. `InvalidOptionError`: an argument is wrong.
 */
export class Schedules {
  readonly #connection: Connection;
  readonly #context: QueueContext;
  readonly #scheduler: Scheduler;
  readonly #timeoutMs: number;
  #closed: Promise<void> | undefined;

  /**
   * @param queue its name
   * @param redis address of Redis; default redis://127.0.0.1:6379
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly queue: string,
    redis?: RedisSourceInput,
    options: SchedulesOptions = {},
  ) {
    checkGivenOptions('Schedules', options, OPTIONS);
    const warned = parseListener<string>('onWarning', options.onWarning) ?? warnProcess;
    this.#timeoutMs = parseMilliseconds('timeout', options.timeout, DEFAULTS.enqueueTimeout);
    const source = new RedisSource(redis, options.credentials);
    // Partition 0 has the name of the queue.
    const keys = new QueueKeys(parseQueueName(queue), source.isCluster);
    this.#connection = new Connection(source, COMMAND_TIMEOUT_MS);
    this.#context = new QueueContext(this.#connection, keys, false);
    const onRefused = (what: string, error: Error): void => {
      warned(`Redis refuses ${what}: ${error.message}`);
    };
    this.#scheduler = new Scheduler(this.#context, { warned, onRefused });
  }

  /**
   * Declares a schedule. The same again changes nothing. Another definition replaces the one before, and its
   * occurrences count from now on. One that was removed comes back.
   */
  async declare(schedule: Schedule): Promise<void> {
    const declared = parseSchedule(schedule);
    this.#refuseClosed();
    await this.#scheduler.declare([declared], this.#timeoutMs);
  }

  /** The schedules of the queue, in the order of their names. One that this version cannot read is left out. */
  async list(): Promise<ScheduleState[]> {
    return readSchedules(this.#openContext());
  }

  /**
   * Removes a schedule. Its events that are in the queue stay. It comes back when a process declares it, as a
   * server does that starts.
   * @returns whether it was there
   */
  async remove(name: string): Promise<boolean> {
    const parsed = parseScheduleName(name);
    return removeSchedule(this.#openContext(), parsed);
  }

  /** Stores nothing more, and closes the connection. The schedules stay. It can be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#scheduler.stopLooking();
    await this.#connection.closeConnection();
  }

  #openContext(): AdminContext {
    this.#refuseClosed();
    return { connection: this.#connection, keys: this.#context.keys, timeoutMs: this.#timeoutMs };
  }

  #refuseClosed(): void {
    if (this.#closed)
      throw new ConnectionError(`the schedules of queue ${formatValue(this.queue)} are closed`);
  }
}

function warnProcess(message: string): void {
  process.emitWarning(`Schedules: ${message}`);
}
