import { EventEmitter } from 'node:events';
import { EventQueueError } from 'elkmq';
import {
  callListener,
  type ConnectionListener,
  type ConnectionStatus,
  isLoginRefused,
  isReplyError,
  messageOf,
  whyOf,
} from 'elkmq/internal';
import type { Log } from './safe-log.js';

/** The values of `status`: `connected`, `reconnecting` while Redis is away, `disconnected` after `close`. */
export type ElkMqStatus = 'connected' | 'reconnecting' | 'disconnected';

/** Events for `on`. */
export interface ElkMqEvents extends Record<string, (...args: never[]) => void> {
  /** Redis is there, for the first time or again. */
  connected: () => void;
  /** Redis is away. The connection is tried again until Redis is back. */
  reconnecting: () => void;
  /** `close` was called. */
  disconnected: () => void;
  /** Something is wrong. An outage gives one event, not one for each attempt to reconnect. */
  error: (error: Error) => void;
}

/**
 * After an outage the connection counts as back when it has held this long, ms. During a failover Redis
 * accepts connections, and then refuses the commands.
 */
const STABLE_MS = 1_000;
/**
 * A connection that is back within this time, ms, at the first try, had no outage. A server may close idle
 * connections.
 */
const UNNOTICED_MS = 1_000;

/**
 * Turns the reports of a connection into Nest's status, events and log lines, for clients and servers. An
 * outage gives two lines: one when Redis is away, one when it is back. A connection that breaks and is back
 * at once gives no line.
 */
export class ConnectionEvents implements ConnectionListener {
  readonly #emitter = new EventEmitter();
  readonly #queue: string;
  readonly #next: (status: ElkMqStatus) => void;
  readonly #log: Log;
  #isConnected = false;
  #hasBeenConnected = false;
  #isAway = false;
  #awayTimer: NodeJS.Timeout | undefined;
  #backTimer: NodeJS.Timeout | undefined;
  /** The error that broke the connection. It is reported before the loss. */
  #reason = '';

  constructor(queue: string, next: (status: ElkMqStatus) => void, log: Log) {
    this.#queue = queue;
    this.#next = next;
    this.#log = log;
  }

  on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#emitter.on(event as string, callback as (...args: unknown[]) => void);
  }

  status(status: ConnectionStatus): void {
    if (status === 'connecting') return;
    const reported = status === 'closed' ? 'disconnected' : status;
    this.#isConnected = reported === 'connected';
    this.#hasBeenConnected ||= this.#isConnected;
    clearTimeout(this.#awayTimer);
    clearTimeout(this.#backTimer);
    if (reported === 'reconnecting') {
      this.#awayTimer = setTimeout(() => {
        this.#away();
      }, UNNOTICED_MS).unref();
    }
    if (this.#isConnected && !this.#isAway) this.#reason = '';
    if (this.#isConnected && this.#isAway) {
      this.#backTimer = setTimeout(() => {
        this.#back();
      }, STABLE_MS).unref();
    }
    this.#next(reported);
    this.#emit(reported);
  }

  error(error: Error): void {
    const isRefusal: boolean =
      error instanceof EventQueueError || isReplyError(error) || isLoginRefused(error);
    if (isRefusal) {
      this.#log.error(`Queue '${this.#queue}': ${error.message}`);
    } else {
      this.#reason = whyOf(error);
      if (!this.#isConnected) this.#away();
    }
    this.#emit('error', error);
  }

  /** Calls the listeners. When one throws or rejects, the connection and the other listeners go on. */
  #emit(event: string, ...args: Error[]): void {
    for (const listener of this.#emitter.listeners(event)) {
      callListener(
        () => (listener as (...args: Error[]) => unknown)(...args),
        (error) => {
          this.#log.error(`A listener of '${event}' has failed: ${messageOf(error)}`);
        },
      );
    }
  }

  warned(message: string): void {
    this.#log.warn(`Queue '${this.#queue}': ${message}`);
  }

  #away(): void {
    if (this.#isAway) return;
    clearTimeout(this.#awayTimer);
    this.#isAway = true;
    const what = this.#hasBeenConnected ? 'lost' : 'not there';
    const why = this.#reason === '' ? '' : ` (${this.#reason})`;
    this.#log.warn(`The connection of queue '${this.#queue}' to Redis is ${what}${why}; reconnecting…`);
  }

  #back(): void {
    this.#log.log(`The connection of queue '${this.#queue}' to Redis is back`);
    this.#isAway = false;
    this.#reason = '';
  }
}
