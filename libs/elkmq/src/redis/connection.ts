import type { Cluster, Redis } from 'ioredis';
import { AnswerTimer } from './answer-timer.js';
import { ConnectionError } from '../model/errors.js';
import { ignoreFailuresOfAsking, reviveWhenStuck } from './cluster-revival.js';
import {
  moreTelling,
  nodeErrorOf,
  refusedDatabase,
  saysNothing,
  whyNotConnected,
  whyOf,
  withoutCommand,
} from './connection-failure.js';
import type { Credentials } from './credentials.js';
import { ConnectionLogin } from './login.js';
import { connectWithoutInfo } from './ready-check.js';
import { isLoginRefused } from './redis-errors.js';
import { withinTime } from './within-time.js';

/** `connecting` until the first connection stands; `closed` for good. */
export type ConnectionStatus = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** A command that has no answer after this time, ms, shows that the connection is half open. */
export const COMMAND_TIMEOUT_MS = 5_000;

/** A connection that has stood for this time, ms, was not about to be noticed as lost. */
const STEADY_MS = 1_000;

/** The reason for the end of a connection that nobody has closed. */
export const GAVE_UP = 'its retryStrategy has answered no number, or its client was disconnected';

/** The pause between two tries with a database that Redis refuses, ms. */
const MISLED_PAUSE_MS = 1_000;
/** The longest wait for the end of a client that has been told to disconnect, ms. */
const END_TIMEOUT_MS = 2_000;

/** Makes the client of a connection: a `RedisSource`, or a source of connections to one server. */
export interface ConnectionSource {
  readonly credentials: Credentials;
  make(commandTimeout: number): Redis | Cluster;
}

/** Is notified by a connection. It hears of an outage once, not at every attempt to reconnect. */
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
  readonly #source: ConnectionSource;
  readonly #others = new Set<Connection>();
  readonly #listener: ConnectionListener;
  readonly #login: ConnectionLogin;
  #status: ConnectionStatus = 'connecting';
  /** The most telling error since the connection stood. The listener hears of one error only. */
  #lastError: Error | undefined;
  #hasReported = false;
  /** Redis has refused the database, so commands would end up in another one. */
  #isMisled = false;
  readonly #waiting: (() => void)[] = [];
  #ended: Promise<void> | undefined;
  /**
   * Counts how often the connection was made, so its users notice a new one. On Cluster the connection to one
   * server counts too, because that server may have the queue.
   */
  session = 0;
  /**
   * The time that the latest connection took to make, ms. It counts from the loss of the one before, if there
   * was one.
   */
  outage = 0;
  /** The `performance.now()` of that loss. */
  #disconnectedAt = performance.now();

  /** @param commandTimeout time that a command may take, ms; then it fails, and the connection is replaced */
  constructor(
    source: ConnectionSource,
    readonly commandTimeout: number,
    listener: ConnectionListener = {},
  ) {
    this.#source = source;
    this.#listener = listener;
    this.client = source.make(commandTimeout);
    if (!('nodes' in this.client)) connectWithoutInfo(this.client);
    this.client.on('ready', () => {
      if (!this.#isMisled) this.#stands();
      else setTimeout(this.#reconnect, MISLED_PAUSE_MS);
    });
    const oneHasChanged = (): void => {
      if (this.#status === 'connected') this.session++;
    };
    if ('nodes' in this.client) {
      this.client.on('+node', connectWithoutInfo);
      this.client.on('+node', oneHasChanged);
      this.client.on('-node', oneHasChanged);
      ignoreFailuresOfAsking(this.client);
      reviveWhenStuck(this.client, () => this.#status !== 'closed');
    }
    const isLost = (): void => {
      this.#isMisled = false;
      if (this.#status !== 'connected') return;
      this.#disconnectedAt = performance.now();
      this.#become('reconnecting');
    };
    this.client.on('close', isLost);
    // A Cluster client that gets a redirection while it disconnects connects again without a close.
    this.client.on('disconnecting', isLost);
    this.client.on('end', () => {
      this.giveUp(GAVE_UP);
    });
    this.client.on('error', (error: Error) => {
      this.#failed(error);
    });
    this.#login = new ConnectionLogin(this.client, source.credentials, (error) => {
      this.#failed(error);
    });
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  get isConnected(): boolean {
    // ioredis reports a close a tick after it has failed the commands.
    return this.#status === 'connected' && this.client.status === 'ready';
  }

  /**
   * Resolves when connected.
   * @throws {ConnectionError} when that takes longer than `timeout` ms, or when closed
   */
  async whenConnected(timeout: number): Promise<void> {
    if (this.isConnected) return;
    if (this.#status !== 'closed') await this.#change(timeout);
    if (this.status !== 'connected') throw this.#failure(timeout);
  }

  /**
   * Calls `call` when this connection has stood for another second. A report in an outage would be in vain.
   */
  whenSteady(call: () => void): void {
    const { session } = this;
    setTimeout(() => {
      if (this.isConnected && this.session === session) call();
    }, STEADY_MS).unref();
  }

  /** Makes a new connection to the same Redis. It is closed with this one at the latest. */
  another(): Connection {
    const other: Connection = new Connection(this.#source, this.commandTimeout, {
      status: (status) => {
        if (status === 'closed') this.#others.delete(other);
      },
    });
    this.#others.add(other);
    return other;
  }

  /**
   * Reports that this connection does not come back, and closes it. Does nothing when it is closed already.
   */
  giveUp(why: string): void {
    if (this.#status === 'closed') return;
    const error = new ConnectionError(`the connection to Redis has ended for good: ${why}`);
    this.#lastError = error;
    this.#listener.error?.(error);
    void this.closeConnection();
  }

  /** Resolves when there is no connection any more. It can be called again. */
  closeConnection(): Promise<void> {
    this.#become('closed');
    for (const other of this.#others) void other.closeConnection();
    this.#login.end();
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    const { client } = this;
    if (client.status === 'end') return;
    const ended = new Promise<unknown>((resolve) => client.once('end', resolve));
    // ioredis does not report the end of a client that waits to connect and has no connection.
    const hasNone = 'nodes' in client ? client.nodes('all').length === 0 : client.status === 'reconnecting';
    const reportsItsEnd = client.status === 'wait' || !hasNone;
    client.disconnect();
    // A Cluster client that is closed while a node is away may never report its end.
    if (reportsItsEnd) await withinTime(ended, END_TIMEOUT_MS, undefined);
  }

  #stands(): void {
    this.#lastError = undefined;
    this.#hasReported = false;
    this.session++;
    this.outage = performance.now() - this.#disconnectedAt;
    this.#become('connected');
  }

  #failed(given: Error): void {
    const isExpected = this.#isExpected(given);
    const error = this.#asConnectionError(given);
    this.#lastError = moreTelling(this.#lastError, error);
    // The function of the credentials counts its failures itself.
    const isReported = this.#hasReported && !(given instanceof ConnectionError);
    if (isReported || isExpected) return;
    this.#hasReported = true;
    this.#listener.error?.(error);
  }

  /**
   * Whether nobody need be notified: the error is about to be mended, or has been reported in other words.
   */
  #isExpected(error: Error): boolean {
    if (isLoginRefused(error)) return this.#login.isRefusalExpected(error);
    // The error of the server came first.
    if (isLoginRefused(nodeErrorOf(error))) return true;
    // The loss has been reported. Its reason may follow.
    return this.#status === 'reconnecting' && saysNothing(error);
  }

  #asConnectionError(error: Error): Error {
    const refused = refusedDatabase(error);
    if (!refused) return isLoginRefused(error) ? withoutCommand(error) : error;
    this.#isMisled = true;
    return new ConnectionError(`Redis refuses the database ${refused.database}: ${refused.why}`, {
      cause: error,
    });
  }

  readonly #reconnect = (): void => {
    if (this.#status !== 'closed') this.client.disconnect(true);
  };

  #become(status: ConnectionStatus): void {
    if (this.#status === status || this.#status === 'closed') return;
    this.#status = status;
    this.#listener.status?.(status);
    if (status === 'reconnecting') return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when connected or closed, after `timeout` ms at the latest. */
  #change(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = new AnswerTimer(timeout, wake);
      const waiting = this.#waiting;
      waiting.push(wake);
      function wake(): void {
        timer.stopTimer();
        const index = waiting.indexOf(wake);
        if (index >= 0) waiting.splice(index, 1);
        resolve();
      }
    });
  }

  #failure(timeout: number): ConnectionError {
    const cause = this.#lastError;
    if (this.#status === 'closed') {
      const why = cause ? `: ${whyOf(cause)}` : '';
      return new ConnectionError(`the connection to Redis is closed${why}`, { cause });
    }
    const why = this.#source.credentials.missing ?? (cause && whyNotConnected(cause, this.client));
    const what = `no connection to Redis within ${String(Math.ceil(timeout))} ms`;
    return new ConnectionError(why === undefined ? what : `${what}: ${why}`, { cause });
  }
}
