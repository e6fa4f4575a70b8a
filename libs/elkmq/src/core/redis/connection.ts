import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { Deadline } from './deadline.js';
import { ConnectionError } from '../errors.js';
import { isForbidden } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';

/** `connecting` until the first connection stands; `closed` for good. */
export type ConnectionStatus = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** A command without an answer for this long, ms, means a connection that is half open. */
export const COMMAND_TIMEOUT = 5_000;

/** A connection that has stood for so long, ms, was not about to be noticed as lost. */
const STEADY = 1_000;

/** What a connection tells its owner. An outage is told once, not once per attempt to reconnect. */
export interface ConnectionListener {
  status?(status: ConnectionStatus): void;
  error?(error: Error): void;
  /** Something is wrong with Redis that the queue can live with. */
  warned?(message: string): void;
}

/**
 * One connection to Redis, which reconnects until it is closed.
 *
 * connecting → connected ⇄ reconnecting, and from each of them → closed.
 */
export class Connection {
  readonly client: Redis | Cluster;
  readonly #source: RedisSource;
  readonly #others = new Set<Connection>();
  readonly #listener: ConnectionListener;
  #status: ConnectionStatus = 'connecting';
  #lastError: Error | undefined;
  readonly #waiting: (() => void)[] = [];
  /**
   * Counts the times that the connection was made: whoever remembers it notices a new one. On Cluster also when that to
   * one server comes or goes, which may be the queue's.
   */
  session = 0;
  /** How long the latest connection took to make, ms: since the one before was lost, if there was one. */
  outage = 0;
  /** `performance.now()` */
  #disconnectedAt = performance.now();

  /** @param commandTimeout how long a command may take, ms; then it fails, and the connection is replaced */
  constructor(
    source: RedisSource,
    readonly commandTimeout: number,
    listener: ConnectionListener = {},
  ) {
    this.#source = source;
    this.#listener = listener;
    this.client = source.make(commandTimeout);
    this.client.on('ready', () => {
      this.#lastError = undefined;
      this.session++;
      this.outage = performance.now() - this.#disconnectedAt;
      this.#become('connected');
    });
    const oneHasChanged = (): void => {
      if (this.#status === 'connected') this.session++;
    };
    this.client.on('+node', oneHasChanged);
    this.client.on('-node', oneHasChanged);
    this.client.on('close', () => {
      if (this.#status !== 'connected') return;
      this.#disconnectedAt = performance.now();
      this.#become('reconnecting');
    });
    this.client.on('end', () => {
      this.#become('closed');
    });
    this.client.on('error', (error: Error) => {
      if (isForbidden(error, 'info')) {
        // ioredis asks for INFO when it connects. It connects again, and then does without.
        (this.client.options as RedisOptions).enableReadyCheck = false;
        return;
      }
      const known = this.#lastError !== undefined;
      this.#lastError = error;
      if (!known) this.#listener.error?.(error);
    });
    // Failing to connect is told by the 'error' event, and tried again.
    this.client.connect().catch(() => undefined);
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  get isConnected(): boolean {
    // ioredis tells of a close a tick after it has failed the commands.
    return this.#status === 'connected' && this.client.status === 'ready';
  }

  /** Resolves when connected. @throws {ConnectionError} when that takes longer than `timeout` ms, or when closed */
  async whenConnected(timeout: number): Promise<void> {
    if (this.isConnected) return;
    if (this.#status !== 'closed') await this.#change(timeout);
    if (this.status !== 'connected') throw this.#failure(timeout);
  }

  /** Calls `call` after a second in which this connection has stood. For what would be told in vain when Redis is away. */
  whenSteady(call: () => void): void {
    const { session } = this;
    setTimeout(() => {
      if (this.isConnected && this.session === session) call();
    }, STEADY).unref();
  }

  /** A new connection to the same Redis. It is closed with this one at the latest. */
  another(): Connection {
    const other: Connection = new Connection(this.#source, this.commandTimeout, {
      status: (status) => {
        if (status === 'closed') this.#others.delete(other);
      },
    });
    this.#others.add(other);
    return other;
  }

  async close(): Promise<void> {
    this.#become('closed');
    for (const other of this.#others) void other.close();
    if (this.client.status === 'end') return;
    // ioredis does not tell the end of a client that has no connection but waits to make one.
    const isWaiting = this.client.status === 'reconnecting';
    const ended = new Promise((resolve) => this.client.once('end', resolve));
    this.client.disconnect();
    if (!isWaiting) await ended;
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status || this.#status === 'closed') return;
    this.#status = status;
    this.#listener.status?.(status);
    if (status === 'reconnecting') return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Until connected or closed, at most `timeout` ms. */
  #change(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const deadline = new Deadline(timeout, wake);
      const waiting = this.#waiting;
      waiting.push(wake);
      function wake(): void {
        deadline.stop();
        const place = waiting.indexOf(wake);
        if (place >= 0) waiting.splice(place, 1);
        resolve();
      }
    });
  }

  #failure(timeout: number): ConnectionError {
    const why = this.#lastError ? `: ${this.#lastError.message}` : '';
    const what =
      this.#status === 'closed'
        ? 'the connection to Redis is closed'
        : `no connection to Redis within ${String(Math.ceil(timeout))} ms`;
    return new ConnectionError(what + why, { cause: this.#lastError });
  }
}
