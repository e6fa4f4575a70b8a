import { encodeEvent } from '../model/codec.js';
import { ConnectionError, EventQueueError, PayloadTooLargeError } from '../model/errors.js';
import type { ServiceEvent } from '../model/service-event.js';
import { checkVersion } from '../redis/check.js';
import type { Connection, ConnectionListener } from '../redis/connection.js';
import { isTransient } from '../redis/redis-errors.js';
import { findRefusals, type Need } from '../redis/rights.js';

/**
 * The JSON of `event`.
 * @param maxBytes the longest payload, in bytes of UTF-8
 * @throws {PayloadTooLargeError}
 */
export function encodeWithin(event: ServiceEvent, maxBytes: number): string {
  const { payload } = event;
  // A character is at most three bytes of UTF-8, so most payloads need no counting.
  if (payload !== null && payload.length * 3 > maxBytes) {
    const bytes = Buffer.byteLength(payload);
    if (bytes > maxBytes) {
      throw new PayloadTooLargeError(
        `the payload of '${event.action}' has ${String(bytes)} bytes; maxPayloadBytes is ${String(maxBytes)}`,
      );
    }
  }
  return encodeEvent(event);
}

/** Checks a Redis that is new to this process, once, before anything is stored there. */
export class SenderCheck {
  readonly #connection: Connection;
  readonly #owner: string;
  readonly #rights: string;
  readonly #needs: readonly Need[];
  readonly #listener: ConnectionListener;
  readonly #checkQueue: ((client: Connection['client']) => Promise<void>) | undefined;
  #running: Promise<void> | undefined;
  #hasSucceeded = false;
  #refused: ReadonlySet<string> = new Set();

  /**
   * @param owner for messages: `queue 'orders'`
   * @param rights the key on which commands are tried
   * @param checkQueue checks what is stored of the queue
   */
  constructor(
    connection: Connection,
    owner: string,
    rights: string,
    needs: readonly Need[],
    listener: ConnectionListener,
    checkQueue?: (client: Connection['client']) => Promise<void>,
  ) {
    this.#connection = connection;
    this.#owner = owner;
    this.#rights = rights;
    this.#needs = needs;
    this.#listener = listener;
    this.#checkQueue = checkQueue;
  }

  get hasSucceeded(): boolean {
    return this.#hasSucceeded;
  }

  /** Whether Redis has refused a command, as far as it is known. */
  isRefused(command: string): boolean {
    return this.#refused.has(command);
  }

  /**
   * Checks Redis before something is stored. Nothing may be stored after a check that has failed: another
   * connection of a Cluster may be there already.
   * @throws {ConnectionError} when Redis is too old, or refuses what sending needs
   * @throws {InvalidOptionError} when the queue has another number of partitions
   * @throws the error of the connection, when it broke
   */
  async prepare(): Promise<void> {
    if (this.#hasSucceeded) return;
    this.#running ??= this.#run();
    await this.#running;
    this.#hasSucceeded = true;
  }

  /** Checks Redis, as `prepare` does, if the connection does not break: messages wait for the next one. */
  async prepareIfConnected(): Promise<void> {
    try {
      await this.prepare();
    } catch (error) {
      if (error instanceof EventQueueError || !isTransient(error)) throw error;
    }
  }

  async #run(): Promise<void> {
    try {
      const { client } = this.#connection;
      await checkVersion(client);
      const { essential, warnings, commands } = await findRefusals(client, this.#rights, this.#needs);
      if (essential !== undefined) throw new ConnectionError(`${this.#owner}: ${essential}`);
      this.#refused = commands;
      await this.#checkQueue?.(client);
      for (const warning of warnings) this.#listener.warned?.(warning);
    } catch (error) {
      this.#running = undefined;
      throw error;
    }
  }
}
