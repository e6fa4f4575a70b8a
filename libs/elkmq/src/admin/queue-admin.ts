import type { DeadLetterFilter } from '../dead-letters/filter.js';
import { callListener } from '../model/listener.js';
import { ConnectionError, InvalidOptionError } from '../model/errors.js';
import { QueueKeys } from '../model/keys.js';
import {
  checkGivenOptions,
  DEFAULTS,
  formatValue,
  parseMilliseconds,
  parseQueueName,
} from '../model/options.js';
import { checkPartitions } from '../model/partitions.js';
import type { ServiceEvent } from '../model/service-event.js';
import { messageOf } from '../model/thrown.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import type { QueueAdminOptions } from './admin-options.js';
import type { EnqueueOptions } from './admin-producer.js';
import type { BlockedKey } from './blocked-keys.js';
import type { QueueChange } from './message-changes.js';
import { readPage, type MessagePage, type MessageQuery } from './message-page.js';
import { searchMessages, type MessageFilter, type SearchOptions, type SearchStep } from './message-search.js';
import type { MoveResult } from './move-result.js';
import { QueueOpener, type OpenedQueue } from './opened-queue.js';
import { pausePartitions, resumePartitions, setPartitionLimits } from './partitioned-control.js';
import { readAllRates, readAllWorkers, readBlockedKeysOf, readWholeState } from './partitioned-state.js';
import type { MessageState, QueueMessage } from './queue-message.js';
import type { QueueLimits } from './queue-limits.js';
import type { QueuePause } from './queue-pause.js';
import type { MinuteRates } from './queue-rates.js';
import type { QueueState } from './queue-state.js';
import type { WorkerInfo } from './worker-info.js';

const OPTIONS = Object.keys({
  audit: true,
  credentials: true,
  partitions: true,
  timeout: true,
} satisfies Record<keyof QueueAdminOptions, true>);

/**
 * Looks at a queue from outside, and changes what is in it: its state, its messages, and the workers that
 * work on it. It connects at once; call `close` in the end.
 *
 * A queue with partitions is one queue. An id of a message is then `3:1700000000000-0`, with its partition.
 *
 * Every call may fail with one of these errors. `ConnectionError`: Redis takes longer than `timeout`, or the
 * admin is closed. `DequeueError`: Redis refuses. `InvalidOptionError`: an argument is wrong.
 */
export class QueueAdmin {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #opener: QueueOpener;
  readonly #audit: (change: QueueChange) => void;

  /**
   * @param name of the queue
   * @param redis address of Redis; default redis://127.0.0.1:6379
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly name: string,
    redis?: RedisSourceInput,
    options: QueueAdminOptions = {},
  ) {
    checkGivenOptions('QueueAdmin', options, OPTIONS);
    const audit = parseAudit(options.audit);
    const timeoutMs = parseMilliseconds('timeout', options.timeout, DEFAULTS.enqueueTimeout);
    const source = new RedisSource(redis, options.credentials);
    const keys = new QueueKeys(parseQueueName(name), source.isCluster);
    const partitions = options.partitions === undefined ? undefined : checkPartitions(options.partitions);
    this.#audit = (change) => {
      callListener(() => audit?.(change), warnOfAudit);
    };
    this.#timeoutMs = timeoutMs;
    this.#connection = new Connection(source, COMMAND_TIMEOUT_MS);
    const context = { connection: this.#connection, keys, timeoutMs };
    this.#opener = new QueueOpener(context, source.isCluster, partitions, this.#audit);
  }

  /**
   * The workers (`ElkMqServer`) that take messages from the queue, in the order in which they started. Each
   * worker describes itself every five seconds. A worker that closes is gone at once, one that was killed
   * within 15 seconds.
   * @param timeout time that Redis may take, ms; default: the option
   */
  async workers(timeout?: number): Promise<WorkerInfo[]> {
    const timeoutMs = this.#timeoutOf(timeout);
    const { keys } = await this.#open(timeoutMs);
    return readAllWorkers(this.#connection, keys, timeoutMs);
  }

  /**
   * The state of the queue now.
   * @param timeout time that Redis may take, ms; default: the option
   */
  async state(timeout?: number): Promise<QueueState> {
    const timeoutMs = this.#timeoutOf(timeout);
    const { keys } = await this.#open(timeoutMs);
    return readWholeState(this.#connection, keys, timeoutMs);
  }

  /**
   * Reads what was done with the messages of the queue in each minute of the last 48 hours, the earliest
   * first. Clients and workers of this package count, and tell Redis every five seconds and when they close.
   * A process that is killed loses what it had not told. Legacy clients and earlier versions count nothing.
   * @param from ms since 1970; default: an hour before `to`
   * @param to ms since 1970, at most 48 hours after `from`; default: now
   */
  async rates(from?: number, to?: number): Promise<MinuteRates[]> {
    const { partitions } = await this.#open();
    return readAllRates(partitions, from, to);
  }

  /**
   * Reads the ordering keys behind whose first message others wait, in steps that are short for Redis:
   * `for await (const { key, waiting } of admin.blockedKeys())`.
   * A key that changes meanwhile can come twice, or not at all.
   */
  async *blockedKeys(): AsyncGenerator<BlockedKey, void, undefined> {
    const { partitions } = await this.#open();
    yield* readBlockedKeysOf(partitions);
  }

  /**
   * Reads a page of the messages of one state. Their order depends on the state:
   * - `waiting`, `running`: the order of the queue.
   * - `delayed`: the message that is due first comes first.
   * - `ordered`: none.
   * - `dead`: the message that died last comes first.
   *
   * A message that becomes ordered or the first of its key meanwhile can come twice or not at all.
   */
  async messages(state: MessageState, query: MessageQuery = {}): Promise<MessagePage> {
    return readPage((await this.#open()).reader, state, query);
  }

  /**
   * Reads one message, in whatever state it is. All ordered messages are looked through in short steps. A
   * message that is tried again has another id than its origin: it is looked for among the running messages
   * and the newest waiting ones, 10,000 of each. Only here an id may lack its partition.
   * @param origin of the message, or the id of its entry
   * @returns `undefined` when it is not there (any more)
   */
  async message(origin: string): Promise<QueueMessage | undefined> {
    return (await this.#open()).reader.readMessage(origin);
  }

  /**
   * Searches messages in short steps: `for await (const { found, searched, total } of admin.search(…))`. A
   * message that changes its state meanwhile can come twice, or not at all.
   */
  async *search(
    filter: MessageFilter,
    options: SearchOptions = {},
  ): AsyncGenerator<SearchStep, void, undefined> {
    const { reader } = await this.#open();
    yield* searchMessages(reader, () => this.state(), filter, options);
  }

  /**
   * Deletes waiting, ordered, delayed and dead messages. When ids are none of the others, all ordered
   * messages are looked through in short steps. A caller that waits for a reply gets none.
   * @param which `id` of one message or of several
   * @returns the number of messages that were deleted. A running message is not
   */
  async remove(which: string | readonly string[]): Promise<number> {
    return (await this.#open()).changes.remove(which);
  }

  /**
   * Puts dead letters back into the queue, as `EventQueue.deadLetters.retry` does.
   * @param which the origin of one letter or of several, or a filter; `{}` means all
   * @returns the number of messages that were put back
   */
  async retry(which: string | readonly string[] | DeadLetterFilter): Promise<number> {
    return (await this.#open()).changes.retry(which);
  }

  /**
   * Moves messages to another queue on this Redis: waiting, ordered and delayed ones, and dead letters. Each
   * is in one of the two queues, or on its way between them, where no worker takes it (`state().moving`). A
   * move that ended early leaves some there; every later move to the same queue delivers them, once.
   *
   * A message has a new origin there, and keeps its headers, its ordering key, its deadline, its attempts,
   * and the time at which it is due. A dead letter becomes a new message, as by `retry`. These stay: what is
   * running, requests, and messages behind one of their ordering key that stays.
   * @param which ids of messages, such as a search has found, or a filter of dead letters; `{}` means all
   * @throws {EnqueueError} when Redis refuses to store them
   */
  async move(which: string | readonly string[] | DeadLetterFilter, toQueue: string): Promise<MoveResult> {
    return (await this.#open()).changes.move(which, toQueue);
  }

  /**
   * Puts delayed messages into the queue now.
   * @param which the origin of one message or of several
   * @returns the number of messages that were put into the queue
   */
  async runNow(which: string | readonly string[]): Promise<number> {
    return (await this.#open()).changes.runNow(which);
  }

  /**
   * Deletes all messages of a state that are there now. A caller that waits for a reply gets none.
   * @param state `waiting`, `delayed` or `dead`
   * @returns the number of messages that were deleted
   */
  async purge(state: MessageState): Promise<number> {
    return (await this.#open()).changes.purge(state);
  }

  /**
   * Pauses the queue. Within about a second its workers (`ElkMqServer`) take nothing more, also those that
   * start later. Handlers that run go on to their end. Messages wait, and their timeouts count. The pause
   * stays until `resume`, over restarts of workers, and of a Redis that keeps its data. It does not stop
   * `EventQueue.dequeue`, legacy consumers, and workers of a version that knows no pauses.
   * @param by the one who pauses it, for `state()` and the log: text of at most 256 characters
   * @returns the pause. A queue that is paused already keeps its pause
   */
  async pause(by?: string): Promise<QueuePause> {
    return this.#changeQueue('pause', (partitions) => pausePartitions(partitions, by));
  }

  /**
   * Ends the pause of the queue. Its workers take messages again within about a second.
   * @returns whether the queue was paused
   */
  async resume(): Promise<boolean> {
    return this.#changeQueue('resume', resumePartitions);
  }

  /**
   * Sets limits for all workers (`ElkMqServer`) of the queue together, in place of those before; `{}` means
   * none. Workers keep them within about a second, also those that start later. The limits stay over
   * restarts of workers, and of a Redis that keeps its data. `state()` tells them. These keep none:
   * `EventQueue.dequeue`, legacy consumers, workers with `legacyConsumers`, and workers of a version that
   * knows no limits.
   * @param limits `concurrency` is the largest number of messages that run at once, from 1. `rate` is the
   * largest number that start: `limit`, from 1, in `per` ms, from 100. Partitions divide them evenly
   * @returns the limits that the queue has now
   */
  async setLimits(limits: QueueLimits): Promise<QueueLimits> {
    return this.#changeQueue('setLimits', (partitions) => setPartitionLimits(partitions, limits));
  }

  /**
   * Stores an event, once.
   * @returns its origin
   * @throws {EnqueueError} when Redis refuses it
   */
  async enqueue(event: ServiceEvent, options: EnqueueOptions = {}): Promise<string> {
    const { producer } = await this.#open();
    const origin = await producer.enqueue(event, options);
    this.#audit({ queue: this.name, action: 'enqueue', target: [origin], count: 1 });
    return origin;
  }

  /** Closes the connection. It can be called again. */
  async close(): Promise<void> {
    await this.#opener.closeProducer();
    await this.#connection.closeConnection();
  }

  /** Changes the queue itself, and announces it, also when it fails: some partitions may have taken it. */
  async #changeQueue<T>(
    action: 'pause' | 'resume' | 'setLimits',
    change: (partitions: OpenedQueue['partitions']) => Promise<T>,
  ): Promise<T> {
    const announced = { queue: this.name, action, target: [], count: 0 };
    const { partitions } = await this.#open();
    let result: T;
    try {
      result = await change(partitions);
    } catch (error) {
      // A wrong argument is found before anything is changed.
      if (!(error instanceof InvalidOptionError)) this.#audit({ ...announced, error: error as Error });
      throw error;
    }
    this.#audit(announced);
    return result;
  }

  #timeoutOf(timeout: number | undefined): number {
    return parseMilliseconds('timeout', timeout, this.#timeoutMs);
  }

  async #open(timeoutMs = this.#timeoutMs): Promise<OpenedQueue> {
    if (this.#connection.status !== 'closed') return this.#opener.open(timeoutMs);
    throw new ConnectionError(`the admin of queue ${formatValue(this.name)} is closed`);
  }
}

/** @throws {InvalidOptionError} when it is no function */
function parseAudit(audit: unknown): QueueAdminOptions['audit'] {
  if (audit === undefined || typeof audit === 'function') return audit as QueueAdminOptions['audit'];
  throw new InvalidOptionError(`audit must be a function, got ${formatValue(audit)}`);
}

/** The change has been made, and its caller must not believe that it has failed. */
function warnOfAudit(error: unknown): void {
  process.emitWarning(`QueueAdmin: the audit has failed: ${messageOf(error)}`);
}
