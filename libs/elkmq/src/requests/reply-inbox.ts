import type { QueueContext } from '../context/queue-context.js';
import { ConnectionError } from '../model/errors.js';
import { PUSHED_REPLIES } from '../model/features.js';
import type { ReplyFrame } from '../model/reply-frame.js';
import type { ConnectionListener } from '../redis/connection.js';
import { pushingNeed } from '../redis/needs.js';
import { systemTimers, type Timers } from '../redis/periodic-task.js';
import { isChannelForbidden, isForbidden, isUnknown } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { refusalSentence } from '../redis/rights.js';
import { BlockingReplies } from './blocking-replies.js';
import { InboxLog } from './inbox-log.js';
import { PushedReplies, type PushListener } from './pushed-replies.js';
import type { ReplyReader } from './reply-reader.js';
import { workersWithout } from './worker-descriptions.js';

/**
 * The time for which replies come by blocking reads before pushes are tried again, ms. It doubles each time.
 */
const FIRST_BLOCKING_MS = 60_000;
const LONGEST_BLOCKING_MS = 60 * 60_000;

/** The client whose replies an inbox takes. */
export interface ReplyReceiver {
  /**
   * @param id of the entry that has the frame
   * @returns false when the reply comes too early: one to the same request, before it, has not come
   */
  receive(frame: ReplyFrame, id: string): boolean;
  isWaiting(): boolean;
}

/**
 * Takes the replies to one client process out of its inbox. They are pushed where that works. Where a worker
 * or Redis does not push them, they come by blocking reads for some time.
 */
export class ReplyInbox {
  readonly #source: RedisSource;
  readonly #context: QueueContext;
  readonly #log: InboxLog;
  readonly #receiver: ReplyReceiver;
  readonly #listener: ConnectionListener;
  readonly #timers: Timers;
  #reader: ReplyReader;
  #isBlocking = false;
  #isClosed = false;
  /** Whether the listener knows that no replies come. */
  #hasReported = false;
  #hasReportedRefusal = false;
  #blockingMs = FIRST_BLOCKING_MS;
  #cancelTrial: (() => void) | undefined;

  constructor(
    source: RedisSource,
    context: QueueContext,
    key: string,
    receiver: ReplyReceiver,
    listener: ConnectionListener,
    timers: Timers = systemTimers,
  ) {
    this.#source = source;
    this.#context = context;
    this.#receiver = receiver;
    this.#listener = listener;
    this.#timers = timers;
    this.#log = new InboxLog(context.connection, key, (frame, id) => receiver.receive(frame, id));
    if (context.pushes !== '') {
      this.#reader = this.#openPushed();
      void this.#lookAtWorkers();
    } else this.#reader = this.#openBlocking();
  }

  /** Closes the connection. The inbox stays as it is: its owner deletes it. */
  async closeInbox(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTrial?.();
    await this.#reader.closeReader();
    this.#log.closeLog();
  }

  #openPushed(): PushedReplies {
    this.#isBlocking = false;
    const { connection } = this.#context;
    return new PushedReplies(this.#source, connection, this.#log, this.#troubles, this.#timers);
  }

  #openBlocking(): BlockingReplies {
    this.#isBlocking = true;
    return new BlockingReplies(this.#source, this.#context.connection, this.#log, this.#troubles);
  }

  /** Goes over to blocking reads for some time. They begin with all that is in the inbox. */
  #useBlocking(): void {
    if (this.#isBlocking || this.#isClosed) return;
    void this.#reader.closeReader();
    this.#reader = this.#openBlocking();
    this.#tryPushesLater();
  }

  #tryPushesLater(): void {
    this.#cancelTrial = this.#timers.schedule(this.#blockingMs, () => void this.#tryPushes());
    this.#blockingMs = Math.min(2 * this.#blockingMs, LONGEST_BLOCKING_MS);
  }

  async #tryPushes(): Promise<void> {
    const areAllPushing = await this.#doAllPush();
    if (this.#isClosed) return;
    if (!areAllPushing) {
      this.#tryPushesLater();
      return;
    }
    void this.#reader.closeReader();
    this.#reader = this.#openPushed();
  }

  async #lookAtWorkers(): Promise<void> {
    if (!(await this.#doAllPush())) this.#useBlocking();
  }

  /** Whether all workers of the registry push replies, as far as it is known. */
  async #doAllPush(): Promise<boolean> {
    if (this.#context.pushes === '') return false;
    try {
      return (await workersWithout(this.#context, PUSHED_REPLIES)).length === 0;
    } catch {
      // Redis refuses or is away. A look at the inbox tells too, if later.
      return true;
    }
  }

  readonly #troubles: PushListener = {
    refused: (error) => {
      this.#tell(error);
    },
    disconnected: (cause) => {
      this.#tell(new ConnectionError(`Redis has no connection for replies: ${cause.message}`, { cause }));
    },
    recovered: () => {
      this.#hasReported = false;
    },
    isWaiting: () => this.#receiver.isWaiting(),
    unannounced: () => {
      this.#useBlocking();
    },
    subscriptionRefused: (error) => {
      this.#warnOnce(error);
      this.#useBlocking();
    },
  };

  #tell(error: Error): void {
    if (!this.#hasReported) this.#listener.error?.(error);
    this.#hasReported = true;
  }

  #warnOnce(error: Error): void {
    if (this.#hasReportedRefusal || !(isForbidden(error, 'subscribe') || isChannelForbidden(error))) return;
    const { isCluster } = this.#source;
    const { connection, keys, hasPartitions } = this.#context;
    const need = pushingNeed(isCluster, hasPartitions);
    if (need.isNewer && isUnknown(error.message)) return;
    this.#hasReportedRefusal = true;
    const missing = [isCluster ? 'ssubscribe' : 'subscribe'];
    this.#listener.warned?.(refusalSentence(connection.client, keys.rights, need, missing, error.message));
  }
}
