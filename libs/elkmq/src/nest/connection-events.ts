import { EventEmitter } from 'node:events';
import type { ConnectionListener, ConnectionStatus } from '../core/connection.js';

/** What `status` tells: `connected`, `reconnecting` while Redis is away, `disconnected` after `close`. */
export type ElkMqStatus = 'connected' | 'reconnecting' | 'disconnected';

/** Events for `on`. */
export interface ElkMqEvents extends Record<string, (...args: never[]) => void> {
  connected: () => void;
  reconnecting: () => void;
  disconnected: () => void;
  /** Once per outage or fault, not once per attempt to reconnect. */
  error: (error: Error) => void;
}

interface Log {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Turns what a connection tells into Nest's status, events and log lines, for client and server alike. */
export class ConnectionEvents implements ConnectionListener {
  readonly #emitter = new EventEmitter();
  readonly #next: (status: ElkMqStatus) => void;
  readonly #log: Log;
  #wasConnected = false;

  constructor(next: (status: ElkMqStatus) => void, log: Log) {
    this.#next = next;
    this.#log = log;
  }

  on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#emitter.on(event as string, callback as (...args: unknown[]) => void);
  }

  status(status: ConnectionStatus): void {
    if (status === 'connecting') return;
    const told = status === 'closed' ? 'disconnected' : status;
    if (told === 'reconnecting') this.#log.warn('The connection to Redis is lost; reconnecting…');
    if (told === 'connected' && this.#wasConnected) this.#log.log('The connection to Redis is back');
    this.#wasConnected ||= told === 'connected';
    this.#next(told);
    this.#emitter.emit(told);
  }

  error(error: Error): void {
    this.#log.error(error.message);
    // An EventEmitter throws an 'error' that nobody listens to.
    if (this.#emitter.listenerCount('error') > 0) this.#emitter.emit('error', error);
  }
}
