import { ConnectionError } from '../model/errors.js';
import { QueueKeys } from '../model/keys.js';
import { DEFAULTS, parseQueueName, formatValue } from '../model/options.js';
import { readQueueState, type QueueState } from './queue-state.js';
import type { CredentialsFunction } from '../redis/credentials.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import { RedisSource, type RedisSourceInput } from '../redis/redis-source.js';
import { readWorkers, type WorkerInfo } from './worker-info.js';

/**
 * Looks at a queue from outside: its state, and the workers that work on it. It connects at once; call
 * `close` in the end.
 */
export class QueueAdmin {
  readonly #keys: QueueKeys;
  readonly #connection: Connection;

  /**
   * @param name of the queue
   * @param redis address of Redis; default redis://127.0.0.1:6379
   * @param options `credentials`: as of an `EventQueue`
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly name: string,
    redis?: RedisSourceInput,
    options: { credentials?: CredentialsFunction } = {},
  ) {
    const source = new RedisSource(redis, options.credentials);
    this.#keys = new QueueKeys(parseQueueName(name), source.isCluster);
    this.#connection = new Connection(source, COMMAND_TIMEOUT_MS);
  }

  /**
   * The workers (`ElkMqServer`) that take messages from the queue, in the order in which they started. Each
   * worker describes itself every five seconds. A worker that closes is gone at once, one that was killed
   * within 15 seconds.
   * @param timeout time that Redis may take, ms; default 10,000
   * @throws {ConnectionError} when it takes longer
   * @throws {DequeueError} when Redis refuses
   */
  async workers(timeout: number = DEFAULTS.enqueueTimeout): Promise<WorkerInfo[]> {
    return readWorkers(this.#open(), this.#keys, timeout);
  }

  /**
   * The state of the queue now.
   * @param timeout time that Redis may take, ms; default 10,000
   * @throws {ConnectionError} when it takes longer
   * @throws {DequeueError} when Redis refuses
   */
  async state(timeout: number = DEFAULTS.enqueueTimeout): Promise<QueueState> {
    return readQueueState(this.#open(), this.#keys, timeout);
  }

  /** Closes the connection. It can be called again. */
  close(): Promise<void> {
    return this.#connection.closeConnection();
  }

  #open(): Connection {
    if (this.#connection.status !== 'closed') return this.#connection;
    throw new ConnectionError(`the admin of queue ${formatValue(this.name)} is closed`);
  }
}
