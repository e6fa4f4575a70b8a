import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { BlockingReader } from '../redis/blocking-reader.js';
import type { Connection } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import { send } from '../redis/scripts.js';
import { askWhetherReachable, recordArrival, type ConsumerSession, type Read } from './session.js';
import type { BrokenSessions } from './broken-sessions.js';

/** The consumer whose reads these are. */
export interface ReadsOwner {
  /**
   * The number of entries that the next read may bring.
   * @param arriving the number of other entries that have come and are about to be taken
   */
  grantCredit(arriving: number): number;
  /** The time that a read may wait for the first entry, ms; `undefined` when it does not matter. */
  maxWaitMs(): number | undefined;
  /** Whether entries that come now go back to the queue. If so, it puts them back. */
  putsBack(entries: StreamEntry[]): boolean;
  /** Takes the entries that `read` has brought, of `asked` ones. */
  takeEntries(entries: StreamEntry[], asked: number, read: Read): void;
  /** Redis refused the read. This method does everything that the next read needs. */
  refused(error: Error): Promise<void>;
  /** There is no connection for reads, though Redis is there. */
  disconnected(error: Error): void;
}

/** Blocking reads of the group, on a connection of their own. Each connection has a session. */
export class BlockingReads {
  readonly #context: QueueContext;
  readonly #newSession: () => ConsumerSession;
  readonly #broken: BrokenSessions;
  readonly #owner: ReadsOwner;
  readonly #reader: BlockingReader;
  #session: ConsumerSession;
  #asked = 0;
  /** The `performance.now()` at which the read that is on its way was sent. */
  #sentAt = 0;
  #arriving = 0;
  #hasRead = false;

  constructor(
    source: RedisSource,
    context: QueueContext,
    newSession: () => ConsumerSession,
    broken: BrokenSessions,
    owner: ReadsOwner,
  ) {
    this.#context = context;
    this.#newSession = newSession;
    this.#broken = broken;
    this.#owner = owner;
    this.#session = newSession();
    this.#reader = new BlockingReader(
      source,
      {
        read: (client) => this.#read(client),
        entries: (entries, readAhead) => {
          this.#arrived(entries, readAhead);
          return entries.length > 1;
        },
        refused: (error) => owner.refused(error),
        disconnected: (error) => {
          owner.disconnected(error);
        },
        connected: () => this.#connected(),
      },
      context.connection,
    );
  }

  /** The connection for these reads. */
  get connection(): Connection {
    return this.#reader.connection;
  }

  /** The number of entries that the read on its way may bring; 0 when none is. */
  get asked(): number {
    return this.#asked;
  }

  /** Sends no read until `resumeReads`. The one that is on its way ends. */
  pauseReads(): void {
    void this.#reader.pauseReading((clientId) => this.#unblock(clientId));
  }

  resumeReads(): void {
    this.#reader.resumeReading();
  }

  /** Reads again, because there is credit. */
  wakeReads(): void {
    this.#reader.wake();
  }

  /** Resolves when the read that is on its way has come back. No other one is sent. */
  stopReads(): Promise<void> {
    return this.#reader.stopReading((clientId) => this.#unblock(clientId));
  }

  endSession(): void {
    this.#broken.endSession(this.#session);
  }

  async #unblock(clientId: string): Promise<void> {
    await send(this.#context.connection.client, 'client', ['UNBLOCK', clientId]).catch(() => undefined);
  }

  #arrived(entries: StreamEntry[], readAhead: () => void): void {
    recordArrival(this.#session, entries);
    const asked = this.#asked;
    this.#asked = 0;
    if (this.#owner.putsBack(entries)) return;
    const read: Read = { consumer: this.#session.name, sentAt: this.#sentAt };
    if (asked > 1 && entries.length === asked) {
      this.#arriving = asked;
      readAhead();
      this.#arriving = 0;
    }
    this.#owner.takeEntries(entries, asked, read);
  }

  async #connected(): Promise<void> {
    if (this.#hasRead) {
      await askWhetherReachable(this.#context, this.connection.client);
      this.#broken.endSession(this.#session);
      this.#session = this.#newSession();
    }
    this.#hasRead = true;
  }

  #read(client: Connection['client']): Promise<unknown> | undefined {
    this.#asked = this.#owner.grantCredit(this.#arriving);
    if (this.#asked <= 0) return undefined;
    this.#sentAt = performance.now();
    const longest = this.#reader.longestBlock;
    const blockMs = Math.max(1, Math.ceil(Math.min(this.#owner.maxWaitMs() ?? longest, longest)));
    const how = ['COUNT', this.#asked, 'BLOCK', blockMs];
    const { eventStream } = this.#context.keys;
    const args = ['GROUP', GROUP, this.#session.name, ...how, 'STREAMS', eventStream, '>'];
    return send(client, 'xreadgroup', args, 'bytes');
  }
}
