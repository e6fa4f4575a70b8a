import { setImmediate as endOfTick, setTimeout as sleep } from 'node:timers/promises';
import { connectBeside } from './connect-beside.js';
import type { Connection } from './connection.js';
import { isReplyError, isTransient, isUnblocked } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';
import { send } from './scripts.js';
import { entriesOfReply, type StreamEntry } from '../model/stream-entries.js';

/**
 * The time that one blocked read waits in Redis, ms. It is short enough to notice a connection that is half
 * open.
 */
export const BLOCK_MS = 5_000;
/** The same where a read cannot be unblocked: a reader that stops waits for its end. */
const UNINTERRUPTED_BLOCK_MS = 1_000;
/** The time that the answer may take beyond BLOCK_MS, ms. */
const GRACE_MS = 5_000;
/** The pause after an error, ms. */
const RETRY_PAUSE_MS = 200;
/** The pause after the first read that broke with its connection, ms. */
const CUT_PAUSE_MS = 10;

export interface Reads {
  /**
   * Sends the next read, for an answer in bytes. Returns `undefined` while nothing is to be read: `wake` asks
   * again.
   */
  read(client: Connection['client']): Promise<unknown> | undefined;
  /**
   * Takes the entries of a read; an empty array when the time was up.
   * @param readAhead sends the next read at once, so that Redis works on it while these entries are looked at
   * @returns whether more entries are likely to be there: then the next read goes out before these have their
   * effects
   */
  entries(entries: StreamEntry[], readAhead: () => void): boolean;
  /**
   * Redis refused the read. This method does everything that the next read needs. It is not called for a read
   * that Redis has ended, as at a failover.
   */
  refused(error: Error): Promise<void>;
  /**
   * There is no connection for reads, though Redis is there. It is not called without the connection
   * `beside`.
   */
  disconnected?(error: Error): void;
  /** The connection stands, for the first time or again. */
  connected?(): Promise<void>;
}

/** A loop of blocking reads on a connection of its own, with one read outstanding. */
export class BlockingReader {
  readonly connection: Connection;
  readonly #reads: Reads;
  #closed = false;
  #wake: (() => void) | undefined;
  #wakened = false;
  #isPaused = false;
  /** Whether a read is awaited. */
  #isReading = false;
  /**
   * The session of the connection that is prepared for reading. The id is its id in Redis, if its reads can
   * be unblocked.
   */
  #session = 0;
  #clientId: string | undefined;
  /** The number of reads that have broken in a row. */
  #failures = 0;
  /** The read that was sent ahead. */
  #ahead: Promise<unknown> | undefined;
  readonly #loop: Promise<void>;

  /** @param beside another connection to the same Redis */
  constructor(source: RedisSource, reads: Reads, beside?: Connection) {
    this.connection = connectBeside(source, BLOCK_MS + GRACE_MS, beside, {
      isClosing: () => this.#closed,
      disconnected: (error) => reads.disconnected?.(error),
    });
    this.#reads = reads;
    this.#loop = this.#run();
  }

  /** The time that a read may wait in Redis, ms. */
  get longestBlock(): number {
    return this.#clientId === undefined ? UNINTERRUPTED_BLOCK_MS : BLOCK_MS;
  }

  /** Asks for a read again, because there may be something to read. */
  wake(): void {
    this.#wakened = true;
    this.#wake?.();
  }

  /**
   * Sends no read until `resumeReading`, and ends the outstanding one soon. A read that cannot be unblocked
   * is cut off together with its connection, because a blocked read would take an entry.
   */
  async pauseReading(unblock: (clientId: string) => Promise<unknown>): Promise<void> {
    this.#isPaused = true;
    while (this.#hasReadToEnd()) {
      if (this.#clientId !== undefined) await unblock(this.#clientId);
      else if (this.connection.isConnected) this.connection.client.disconnect(true);
      // The read may reach Redis only after it was to be unblocked, so this is done again.
      await sleep(RETRY_PAUSE_MS);
    }
  }

  /** Whether a read is outstanding that a pause has to end. */
  #hasReadToEnd(): boolean {
    return this.#isPaused && !this.#closed && (this.#isReading || this.#ahead !== undefined);
  }

  /** Reads again. */
  resumeReading(): void {
    this.#isPaused = false;
    this.wake();
  }

  /** Ends the loop when the outstanding read has come back. `unblock` makes that soon. */
  async stopReading(unblock: (clientId: string) => Promise<unknown>): Promise<void> {
    this.#closed = true;
    this.wake();
    const ended = this.#loop.then(() => true);
    do {
      if (!this.connection.isConnected) await this.connection.closeConnection();
      // The read may reach Redis only after it was to be unblocked, so this is done again.
      else if (this.#clientId !== undefined) await unblock(this.#clientId);
    } while (!(await Promise.race([ended, sleep(RETRY_PAUSE_MS, false)])));
    await this.connection.closeConnection();
  }

  /** Cuts the connection, and with it the read. Such a read must not take entries away from others. */
  async close(): Promise<void> {
    this.#closed = true;
    this.wake();
    await this.connection.closeConnection();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.connection.status !== 'closed') {
      try {
        // A read that was sent ahead belongs to the session in which it was sent.
        if (!this.#ahead) await this.#prepare();
        await this.#readOnce();
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  async #prepare(): Promise<void> {
    if (!this.connection.isConnected) await this.connection.whenConnected(BLOCK_MS);
    const { session } = this.connection;
    if (this.#session === session) return;
    // On Cluster the id could belong to a connection to any of the servers, and another client would be
    // unblocked.
    if (!this.connection.client.isCluster) this.#clientId = await unblockableId(this.connection.client);
    await this.#reads.connected?.();
    this.#session = session;
  }

  async #readOnce(): Promise<void> {
    this.#wakened = false;
    const read = this.#ahead ?? this.#send();
    this.#ahead = undefined;
    if (!read) {
      if (!this.#closed) await this.#woken();
      return;
    }
    this.#isReading = true;
    let reply;
    try {
      reply = await read;
    } finally {
      this.#isReading = false;
    }
    this.#failures = 0;
    const entries = entriesOfReply(reply);
    const isMoreLikely = this.#reads.entries(entries, () => {
      this.#ahead = this.#send();
    });
    if (!isMoreLikely) await endOfTick();
  }

  #send(): Promise<unknown> | undefined {
    return this.#isPaused ? undefined : this.#reads.read(this.connection.client);
  }

  #woken(): Promise<void> {
    if (this.#wakened) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  async #recover(error: unknown): Promise<void> {
    if (this.#closed) return;
    if (!isReplyError(error)) {
      // The entries of that read are lost. On Cluster other connections of the client may still stand.
      this.#session = 0;
      // A connection that is being cut still counts as one for a moment. On Cluster a master may be away for
      // longer.
      if (this.connection.isConnected) await sleep(this.#failures++ === 0 ? CUT_PAUSE_MS : RETRY_PAUSE_MS);
      return;
    }
    try {
      if (!isUnblocked(error)) await this.#reads.refused(error);
    } catch {
      // The next read is refused again, after a pause.
    }
    await sleep(RETRY_PAUSE_MS);
  }
}

/**
 * The id of a connection; `undefined` where Redis does not give it, or does not let its reads be unblocked.
 */
async function unblockableId(client: Connection['client']): Promise<string | undefined> {
  try {
    const id = String(await send(client, 'client', ['ID']));
    // The connection is not blocked now, so this only shows whether unblocking is allowed.
    await send(client, 'client', ['UNBLOCK', id]);
    return id;
  } catch (error) {
    if (isTransient(error)) throw error;
    return undefined;
  }
}
