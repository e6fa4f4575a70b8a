import type { QueueContext } from '../context/queue-context.js';
import { BlockingReader } from '../redis/blocking-reader.js';
import type { Connection } from '../redis/connection.js';
import {
  BrokenSessions,
  consumerName,
  recordArrival,
  workerName,
  type ConsumerSession,
  type Read,
} from './session.js';
import { DequeueError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import { isNoGroup, isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { ReadSize } from '../redis/read-size.js';
import { entriesOfReply, type StreamEntry } from '../model/stream-entries.js';

export interface Intake {
  /**
   * The number of entries that can be taken now.
   * @param arriving the number of other entries that have come and are about to be taken
   */
  grantCredit(arriving: number): number;
  /**
   * The time that a read may wait for the first entry, ms. Without this method a read waits as long as it
   * likes.
   */
  maxWaitMs?(): number;
  /** Takes the entries that `read` has brought, of `asked` ones. There are none when the time was up. */
  takeEntries(entries: StreamEntry[], asked: number, read: Read): void;
  /** Entries cannot be read or put back. Reading is tried again and again. */
  readFailed(error: Error): void;
}

/**
 * Takes entries of the event stream out of the consumer group. Each entry goes to one consumer, and is
 * pending for it until it is settled. Reads go on while there is credit, one at a time. When a read comes
 * back full, the next one is sent before the entries of the first are started.
 */
export class GroupConsumer {
  /** The first part of the names of its sessions. */
  readonly worker = workerName();
  readonly #context: QueueContext;
  readonly #source: RedisSource;
  readonly #lease: number;
  readonly #broken: BrokenSessions;
  readonly #rejoin: (connection: Connection) => Promise<void>;
  #intake: Intake | undefined;
  #reader: BlockingReader | undefined;
  #sessions = 0;
  /** The session of the blocking reads, and that of the reads that do not block. */
  #blocking: ConsumerSession;
  #direct: ConsumerSession;
  readonly #size = new ReadSize();
  #asked = 0;
  /** The `performance.now()` at which the read that is on its way was sent. */
  #sentAt = 0;
  #arriving = 0;
  #hasRead = false;
  #stopping = false;
  #isPaused = false;
  #handingBack: Promise<unknown> = Promise.resolve();

  /**
   * @param lease ms
   * @param rejoin makes the group anew when it is gone
   */
  constructor(
    source: RedisSource,
    context: QueueContext,
    lease: number,
    rejoin = (connection: Connection): Promise<void> => joinGroup(context, connection),
  ) {
    this.#source = source;
    this.#rejoin = rejoin;
    this.#context = context;
    this.#lease = lease;
    this.#blocking = this.#newSession();
    this.#direct = this.#newSession();
    this.#broken = new BrokenSessions(context);
  }

  /** Begins to read for `intake`, on a connection of its own. */
  startReading(intake: Intake): void {
    this.#intake = intake;
    this.#reader = new BlockingReader(
      this.#source,
      {
        read: (client) => this.#read(client, intake),
        entries: (entries, readAhead) => {
          this.#arrived(entries, readAhead, intake);
          return entries.length > 1;
        },
        refused: (error) => this.#refused(error),
        disconnected: (error) => {
          this.#failed('has no connection for', error);
        },
        connected: () => this.#connected(),
      },
      this.#context.connection,
    );
  }

  /** The number of entries that the read on its way may bring. */
  get asked(): number {
    return this.#asked;
  }

  /** The name for which `readOne` takes entries. */
  get directName(): string {
    return this.#direct.name;
  }

  /** Takes the next entry if one is waiting. It does not wait for one. */
  async readOne(): Promise<StreamEntry | undefined> {
    const session = this.#direct;
    const args = ['GROUP', GROUP, session.name, 'COUNT', 1, 'STREAMS', this.#context.keys.eventStream, '>'];
    try {
      const entries = entriesOfReply(
        await send(this.#context.connection.client, 'xreadgroup', args, 'bytes'),
      );
      recordArrival(session, entries);
      return entries[0];
    } catch (error) {
      // The answer may be lost, and with it an entry.
      if (!isReplyError(error) && session === this.#direct) {
        this.#direct = this.#newSession();
        this.#broken.endSession(session);
      }
      throw error;
    }
  }

  /** Whether `pauseReading` was called last. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /**
   * Takes nothing until `resumeReading`. The read that is on its way ends, and what it brings goes back to
   * the queue.
   */
  pauseReading(): void {
    this.#isPaused = true;
    void this.#reader?.pauseReading((clientId) => this.#unblock(clientId));
  }

  /** Takes entries again. */
  resumeReading(): void {
    this.#isPaused = false;
    this.#reader?.resumeReading();
  }

  /** Reads again, because there is credit. */
  wakeReader(): void {
    this.#reader?.wake();
  }

  /** Puts entries that were not started back into the queue. */
  async handBack(entries: StreamEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const call = this.#broken.putBack(entries.map(([id]) => id));
    const done = call.catch((error: unknown) => {
      this.#intake?.readFailed(error as Error);
    });
    // The calls before are forgotten with their answers, or a worker would keep one for each call it has made.
    this.#handingBack = Promise.all([this.#handingBack, done]).then(() => undefined);
    await this.#handingBack;
  }

  /** Takes nothing more. The entries of a read that is on its way go back to the queue. */
  async stopReading(): Promise<void> {
    this.#stopping = true;
    await this.#reader?.stopReading((clientId) => this.#unblock(clientId));
    await this.#handingBack;
  }

  /** Leaves the group, unless something is still pending: others recover that. */
  async leaveGroup(): Promise<void> {
    if (this.#context.connection.isConnected) {
      this.#broken.endSession(this.#blocking);
      this.#broken.endSession(this.#direct);
    }
    await this.#broken.stopEnding();
  }

  async #unblock(clientId: string): Promise<void> {
    await send(this.#context.connection.client, 'client', ['UNBLOCK', clientId]).catch(() => undefined);
  }

  #newSession(): ConsumerSession {
    return { name: consumerName(this.worker, ++this.#sessions, this.#lease), arrived: '0-0' };
  }

  #arrived(entries: StreamEntry[], readAhead: () => void, intake: Intake): void {
    recordArrival(this.#blocking, entries);
    this.#size.note(entries);
    if (this.#stopping || this.#isPaused) {
      void this.handBack(entries);
      return;
    }
    const asked = this.#asked;
    const read: Read = { consumer: this.#blocking.name, sentAt: this.#sentAt };
    if (asked > 1 && entries.length === asked) {
      this.#arriving = asked;
      readAhead();
      this.#arriving = 0;
    }
    intake.takeEntries(entries, asked, read);
  }

  #connected(): Promise<void> {
    if (this.#hasRead) {
      this.#broken.endSession(this.#blocking);
      this.#blocking = this.#newSession();
    }
    this.#hasRead = true;
    return Promise.resolve();
  }

  #read(client: Connection['client'], intake: Intake): Promise<unknown> | undefined {
    this.#asked = this.#stopping ? 0 : Math.min(intake.grantCredit(this.#arriving), this.#size.limit);
    if (this.#asked <= 0) return undefined;
    this.#sentAt = performance.now();
    const longestBlock = this.#reader?.longestBlock ?? 0;
    const patience = Math.max(1, Math.ceil(Math.min(intake.maxWaitMs?.() ?? longestBlock, longestBlock)));
    const how = ['COUNT', this.#asked, 'BLOCK', patience];
    const args = [
      'GROUP',
      GROUP,
      this.#blocking.name,
      ...how,
      'STREAMS',
      this.#context.keys.eventStream,
      '>',
    ];
    return send(client, 'xreadgroup', args, 'bytes');
  }

  #failed(what: string, cause: Error): void {
    this.#intake?.readFailed(new DequeueError(`Redis ${what} events: ${cause.message}`, { cause }));
  }

  async #refused(error: Error): Promise<void> {
    let refusal = error;
    if (isNoGroup(error)) {
      try {
        await this.#rejoin(this.#reader?.connection ?? this.#context.connection);
        return;
      } catch (failure) {
        if (!isReplyError(failure)) throw failure;
        refusal = failure;
      }
    }
    this.#failed('refused to hand out', refusal);
  }
}

/** Makes the consumer group, unless it exists. Its first consumers get all waiting messages. */
export async function joinGroup(
  { keys, legacy, connection: usual }: QueueContext,
  connection = usual,
): Promise<void> {
  const until = await runScript(connection.client, scripts.joinGroup(keys, { group: GROUP }));
  legacy.recordJoin(String(until));
}
