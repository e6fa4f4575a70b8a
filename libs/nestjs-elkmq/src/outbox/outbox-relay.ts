import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InvalidOptionError } from 'elkmq';
import {
  formatValue,
  isError,
  MAX_DELAY_MS,
  nameOf,
  messageOf,
  parseInteger,
  parseMembers,
  parseMilliseconds,
  PeriodicTask,
  readMember,
  type Timers,
  whyOf,
} from 'elkmq/internal';
import type { ElkMqClient } from '../client/elk-mq.client.js';
import { safeLog } from '../safe-log.js';
import type { OutboxId, SendRows } from './outbox-message.js';
import { RowSender } from './row-sender.js';

const OPTIONS = ['name', 'client', 'transfer', 'limit', 'interval', 'window'];
const DAY_MS = 86_400_000;
const LONGEST_NAME_CHARS = 64;

/**
 * Timers that keep the process alive. While the database is away there may be nothing else that does, and
 * a process that has only a relay would end.
 */
const timers: Timers = {
  now: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** The options of an `OutboxRelay`. */
export interface OutboxRelayOptions {
  /**
   * The name of the outbox, 1 to 64 characters without a colon. The deduplication keys of its events are
   * `outbox:NAME:ID`. So each table needs a name of its own, which does not change.
   */
  readonly name: string;
  /** The client of the queue or the topic. Closing the relay does not close it. */
  readonly client: ElkMqClient;
  /**
   * Reads at most `limit` rows in the order in which they were written, gives them to `send`, and deletes
   * those that were sent, all in one transaction that locks the rows.
   */
  readonly transfer: (send: SendRows, limit: number) => Promise<unknown>;
  /** The greatest number of rows that are sent together, up to 10,000. Default 100. */
  readonly limit?: number | undefined;
  /** The time between two looks at an empty outbox, ms. Default 1,000. */
  readonly interval?: number | undefined;
  /** The time for which a row that was sent is known, ms, up to 2,000,000,000 (23 days). Default: a day. */
  readonly window?: number | undefined;
}

/**
 * Sends the events that transactions of an application have left in a table, an outbox. Such an event is sent
 * if its transaction is committed, and only then.
 *
 * As a provider of a Nest application it starts and closes with the application.
 */
export class OutboxRelay implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = safeLog(new Logger('OutboxRelay'));
  readonly #name: string;
  readonly #transfer: OutboxRelayOptions['transfer'];
  readonly #limit: number;
  readonly #intervalMs: number;
  readonly #sender: RowSender;
  readonly #task: PeriodicTask;
  #isStarted = false;
  /** The problems that the log has told since all was well. An outage may have several, in turns. */
  readonly #problems = new Set<string>();
  #refused = new Set<OutboxId>();
  /** The rows that the latest transfer has sent, if it has succeeded. */
  #sent = new Set<OutboxId>();

  /** @throws {InvalidOptionError} */
  constructor(options: OutboxRelayOptions) {
    const { name, client, transfer, limit, interval, window } = parseMembers('OutboxRelay', options, OPTIONS);
    this.#name = parseName(name);
    if (typeof readMember(client, 'emit') !== 'function')
      throw new InvalidOptionError(`client must be an ElkMqClient, got ${formatValue(client)}`);
    if (typeof transfer !== 'function')
      throw new InvalidOptionError(`transfer must be a function, got ${formatValue(transfer)}`);
    this.#transfer = transfer as OutboxRelayOptions['transfer'];
    this.#limit = parseInteger('limit', limit, 100, 1, 10_000);
    this.#intervalMs = parseMilliseconds('interval', interval, 1_000);
    const windowMs = parseMilliseconds('window', window, DAY_MS, MAX_DELAY_MS);
    this.#sender = new RowSender(this.#name, client as ElkMqClient, windowMs);
    const task = { name: `the outbox '${this.#name}'`, intervalMs: this.#intervalMs, timers };
    this.#task = new PeriodicTask(task, () => this.#transferRows());
  }

  /** Starts looking for rows. A provider of a Nest application needs no call. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#task.startTask(0);
  }

  /** Looks for rows at once. An application may call it when it has committed some. */
  wake(): void {
    if (this.#isStarted) this.#task.runWithin(0);
  }

  /** Stops, when the transfer that is under way has ended. A relay does not start again. */
  close(): Promise<void> {
    return this.#task.stopTask();
  }

  /** Starts it. Nest calls this. */
  onApplicationBootstrap(): void {
    this.start();
  }

  /** Closes it. Nest calls this. */
  onModuleDestroy(): Promise<void> {
    return this.close();
  }

  /** @returns the time until the next look, ms */
  async #transferRows(): Promise<number> {
    const sent = new Set<OutboxId>();
    const refused = new Set<OutboxId>();
    let count = 0;
    let problem: string | undefined;
    const send: SendRows = async (rows) => {
      const report = await this.#sender.sendRows(rows);
      count += rows.length;
      for (const id of report.sent) sent.add(id);
      for (const { id, error } of report.refused) {
        refused.add(id);
        if (this.#refused.has(id)) continue;
        // Also when this transfer fails: then the row comes again.
        this.#refused.add(id);
        this.#logRefused(id, error);
      }
      if (report.failure) problem = `rows cannot be sent: ${describe(report.failure)}`;
      return { sent: report.sent, refused: report.refused };
    };
    try {
      await this.#transfer(send, this.#limit);
      const again = [...sent].find((id) => this.#sent.has(id));
      if (again !== undefined)
        problem ??= `row ${String(again)} came again after it was sent: transfer must delete such rows`;
      if (count >= this.#limit && sent.size === 0)
        problem ??= `none of the ${String(count)} rows of a look can be sent, so those behind them wait`;
      this.#sent = sent;
      this.#refused = refused;
    } catch (error) {
      problem = `the transfer of rows has failed: ${describe(error)}`;
      // Its transaction was rolled back, so the same rows come again.
      this.#sent = new Set();
    }
    this.#logProblem(problem);
    return count >= this.#limit && sent.size > 0 && problem === undefined ? 0 : this.#intervalMs;
  }

  #logRefused(id: OutboxId, error: Error): void {
    this.#log.error(
      `The outbox '${this.#name}' keeps row ${String(id)}, which can never be sent: ${describe(error)}. Change it or remove it`,
    );
  }

  #logProblem(problem: string | undefined): void {
    if (problem === undefined) {
      if (this.#problems.size > 0) this.#log.log(`The outbox '${this.#name}' goes on`);
      this.#problems.clear();
      return;
    }
    if (this.#problems.has(problem)) return;
    this.#problems.add(problem);
    this.#log.error(
      `The outbox '${this.#name}' tries again every ${String(this.#intervalMs)} ms: ${problem}`,
    );
  }
}

function parseName(name: unknown): string {
  const isName = typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME_CHARS;
  // The id of a row comes after a colon in its deduplication key.
  if (isName && !name.includes(':')) return name;
  throw new InvalidOptionError(
    `name must have 1 to ${String(LONGEST_NAME_CHARS)} characters and no colon, got ${formatValue(name)}`,
  );
}

function describe(error: unknown): string {
  // A host with several addresses gives an AggregateError. It has no message, but its first error has one.
  const message = messageOf(error) || (isError(error) ? whyOf(error as Error) : '');
  return `${nameOf(error)}: ${message}`;
}
