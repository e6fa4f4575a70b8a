import type { QueueContext } from '../context/queue-context.js';
import { DequeueError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import { ReadSize } from '../redis/read-size.js';
import { isNoGroup, isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { BlockingReads } from './blocking-reads.js';
import { DirectReads } from './direct-reads.js';
import { LimitedReader } from './limited-reader.js';
import { type ConsumerSession, type Read } from './session.js';
import { BrokenSessions } from './broken-sessions.js';
import { consumerName, workerName } from './consumer-name.js';

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

/** The reason for which nothing is taken: the queue is paused, or waits for its predecessor. */
export type PauseReason = 'operator' | 'predecessor';

/**
 * Takes entries of the event stream out of the consumer group. Each entry goes to one consumer, and is
 * pending for it until it is settled. Reads go on while there is credit, one at a time. When a read comes
 * back full, the next one is sent before the entries of the first are started. While the queue has limits, a
 * `LimitedReader` takes the place of blocking reads.
 */
export class GroupConsumer {
  /** The first part of the names of its sessions. */
  readonly worker: string;
  readonly #context: QueueContext;
  readonly #source: RedisSource;
  readonly #leaseMs: number;
  readonly #broken: BrokenSessions;
  readonly #rejoin: (connection: Connection) => Promise<void>;
  #intake: Intake | undefined;
  #blocking: BlockingReads | undefined;
  #limited: LimitedReader | undefined;
  readonly #direct: DirectReads;
  #sessions = 0;
  readonly #size = new ReadSize();
  #stopping = false;
  readonly #pauses = new Set<PauseReason>();
  #isLimited = false;
  #handingBack: Promise<unknown> = Promise.resolve();

  /**
   * @param rejoin makes the group anew when it is gone
   * @param worker the first part of the names of its sessions
   */
  constructor(
    source: RedisSource,
    context: QueueContext,
    leaseMs: number,
    rejoin = (connection: Connection): Promise<void> => joinGroup(context, connection),
    worker = workerName(),
  ) {
    this.worker = worker;
    this.#source = source;
    this.#rejoin = rejoin;
    this.#context = context;
    this.#leaseMs = leaseMs;
    this.#broken = new BrokenSessions(context);
    this.#direct = new DirectReads(context, this.#newSession, this.#broken);
  }

  /** Begins to read for `intake`, on a connection of its own. */
  startReading(intake: Intake): void {
    this.#intake = intake;
    const owner = {
      grantCredit: (arriving: number) =>
        this.#stopping ? 0 : Math.min(intake.grantCredit(arriving), this.#size.limit),
      maxWaitMs: () => intake.maxWaitMs?.(),
      putsBack: (entries: StreamEntry[]) => this.#putsBack(entries),
      takeEntries: (entries: StreamEntry[], asked: number, read: Read) => {
        intake.takeEntries(entries, asked, read);
      },
      refused: (error: Error) => this.#refused(error),
      disconnected: (error: Error) => {
        this.#failed('has no connection for', error);
      },
    };
    this.#blocking = new BlockingReads(this.#source, this.#context, this.#newSession, this.#broken, owner);
    this.#limited = new LimitedReader(this.#context, this.#direct, owner);
  }

  /** The number of entries that the reads on their way may bring. */
  get asked(): number {
    return (this.#blocking?.asked ?? 0) + (this.#limited?.asked ?? 0);
  }

  /** The name for which `readOne` takes entries. */
  get directName(): string {
    return this.#direct.consumer;
  }

  /** Takes the next entry if one is waiting. It does not wait for one. */
  async readOne(): Promise<StreamEntry | undefined> {
    const { connection, keys } = this.#context;
    const { entries } = await this.#direct.readEntries((name) =>
      send(
        connection.client,
        'xreadgroup',
        ['GROUP', GROUP, name, 'COUNT', 1, 'STREAMS', keys.eventStream, '>'],
        'bytes',
      ),
    );
    return entries[0];
  }

  /** Whether nothing is taken, for any reason. */
  get isPaused(): boolean {
    return this.#pauses.size > 0;
  }

  isPausedBy(reason: PauseReason): boolean {
    return this.#pauses.has(reason);
  }

  /**
   * Takes nothing until `resumeReading` is called for the same reason. The read that is on its way ends, and
   * what it brings goes back to the queue.
   */
  pauseReading(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.#chooseReader();
  }

  /** Takes entries again, unless there is another reason not to. */
  resumeReading(reason: PauseReason): void {
    this.#pauses.delete(reason);
    this.#chooseReader();
  }

  /**
   * Takes entries, within the limits of the queue if it has any. They may have changed since the last call.
   */
  limitReading(isLimited: boolean): void {
    this.#isLimited = isLimited;
    this.#chooseReader();
  }

  /** Reads again, because there is credit. */
  wakeReader(): void {
    this.#limited?.wakeTaking();
    this.#blocking?.wakeReads();
  }

  /** Puts entries that were not started back into the queue. */
  async handBack(entries: StreamEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const call = this.#broken.putBack(entries.map(([id]) => id));
    const done = call.catch((error: unknown) => {
      this.#intake?.readFailed(error as Error);
    });
    // Earlier calls are forgotten with their answers, or a worker would keep each call that it has made.
    this.#handingBack = Promise.all([this.#handingBack, done]).then(() => undefined);
    await this.#handingBack;
  }

  /** Takes nothing more. The entries of a read that is on its way go back to the queue. */
  async stopReading(): Promise<void> {
    this.#stopping = true;
    await Promise.all([this.#blocking?.stopReads(), this.#limited?.stopTaking()]);
    await this.#handingBack;
  }

  /** Leaves the group, unless something is still pending: others recover that. */
  async leaveGroup(): Promise<void> {
    if (this.#context.connection.isConnected) {
      this.#blocking?.endSession();
      this.#direct.endSession();
    }
    await this.#broken.stopEnding();
  }

  readonly #newSession = (): ConsumerSession => ({
    name: consumerName(this.worker, ++this.#sessions, this.#leaseMs),
    arrived: '0-0',
  });

  /** Chooses the reader that reads: one of the two, or none. `#putsBack` says what a late read brings. */
  #chooseReader(): void {
    const mayRead = !this.isPaused && !this.#stopping;
    if (mayRead && this.#isLimited) this.#limited?.startTaking();
    else void this.#limited?.stopTaking();
    if (mayRead && !this.#isLimited) this.#blocking?.resumeReads();
    else this.#blocking?.pauseReads();
  }

  /** Puts entries back that come while nothing is to be taken. */
  #putsBack(entries: StreamEntry[]): boolean {
    this.#size.note(entries);
    if (!this.#stopping && !this.isPaused) return false;
    void this.handBack(entries);
    return true;
  }

  #failed(what: string, cause: Error): void {
    this.#intake?.readFailed(new DequeueError(`Redis ${what} events: ${cause.message}`, { cause }));
  }

  async #refused(error: Error): Promise<void> {
    let refusal = error;
    if (isNoGroup(error)) {
      try {
        await this.#rejoin(this.#blocking?.connection ?? this.#context.connection);
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
