import { EventEmitter } from 'node:events';
import { EventQueueError } from '../core/errors.js';
import type { ConnectionListener, ConnectionStatus } from '../core/redis/connection.js';
import { isReplyError } from '../core/redis/redis-errors.js';
import { messageOf } from '../core/thrown.js';
import type { Log } from './safe-log.js';

/** What `status` tells: `connected`, `reconnecting` while Redis is away, `disconnected` after `close`. */
export type ElkMqStatus = 'connected' | 'reconnecting' | 'disconnected';

/** Events for `on`. */
export interface ElkMqEvents extends Record<string, (...args: never[]) => void> {
  /** Redis is there, for the first time or again. */
  connected: () => void;
  /** Redis is away; it is tried until it is back. */
  reconnecting: () => void;
  /** After `close`. */
  disconnected: () => void;
  /** Once per outage or fault, not once per attempt to reconnect. */
  error: (error: Error) => void;
}

/** After an outage, ms. A Redis that is failing over accepts connections, and refuses what they are for. */
const STABLE = 1_000;

/**
 * Turns what a connection tells into Nest's status, events and log lines, for client and server alike. An outage is two
 * lines: one when Redis is away, one when it is back.
 */
export class ConnectionEvents implements ConnectionListener {
  readonly #emitter = new EventEmitter();
  readonly #queue: string;
  readonly #next: (status: ElkMqStatus) => void;
  readonly #log: Log;
  #isConnected = false;
  #isAway = false;
  #backTimer: NodeJS.Timeout | undefined;
  /** What has broken the connection; it is told before the loss. */
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
    const told = status === 'closed' ? 'disconnected' : status;
    this.#isConnected = told === 'connected';
    clearTimeout(this.#backTimer);
    if (told === 'reconnecting') this.#away('lost');
    if (this.#isConnected && this.#isAway) {
      this.#backTimer = setTimeout(() => {
        this.#back();
      }, STABLE).unref();
    }
    this.#next(told);
    this.#emit(told);
  }

  error(error: Error): void {
    const isRefusal: boolean = error instanceof EventQueueError || isReplyError(error);
    if (isRefusal) {
      this.#log.error(`Queue '${this.#queue}': ${error.message}`);
    } else {
      // The message of several failures, one for each address, is empty.
      this.#reason = error.message || ((error as { code?: string }).code ?? error.name);
      if (!this.#isConnected) this.#away('not there');
    }
    // An EventEmitter throws an 'error' that nobody listens to.
    if (this.#emitter.listenerCount('error') > 0) this.#emit('error', error);
  }

  /** A listener that throws must not harm what goes on in the connection. */
  #emit(event: string, ...args: Error[]): void {
    try {
      this.#emitter.emit(event, ...args);
    } catch (error) {
      this.#log.error(`A listener of '${event}' has failed: ${messageOf(error)}`);
    }
  }

  warned(message: string): void {
    this.#log.warn(`Queue '${this.#queue}': ${message}`);
  }

  #away(what: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    const why = this.#reason === '' ? '' : ` (${this.#reason})`;
    this.#log.warn(`The connection of queue '${this.#queue}' to Redis is ${what}${why}; reconnecting…`);
  }

  #back(): void {
    this.#log.log(`The connection of queue '${this.#queue}' to Redis is back`);
    this.#isAway = false;
    this.#reason = '';
  }
}
