import { Cancellations } from './cancellations.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import { COMMAND_TIMEOUT, Connection, type ConnectionListener } from '../redis/connection.js';
import { malformed, type DeadLetterCap } from '../dead-letters/dead-letters.js';
import { Credit } from './credit.js';
import { Delivery } from './delivery.js';
import { Endings } from './endings.js';
import { nudgeOf, readEntry } from '../wire/entry.js';
import { AbandonedError, EnqueueError } from '../errors.js';
import { GroupConsumer, joinGroup } from './group-consumer.js';
import { Arbiter } from '../interop/arbiter.js';
import { Competition } from '../interop/competition.js';
import { Janitor } from '../interop/janitor.js';
import type { QueueKeys } from '../keys.js';
import { LeaseKeeper } from '../recovery/lease-keeper.js';
import { Outcomes } from './outcomes.js';
import { Promoter } from './promoter.js';
import { Recoverer } from '../recovery/recoverer.js';
import { Recovery, type RecoveryListener } from '../recovery/recovery.js';
import { checkRedis } from '../redis/redis-check.js';
import { RedisClock } from '../redis/redis-clock.js';
import type { RedisSource } from '../redis/redis-source.js';
import { Running } from './running.js';
import { PATIENCE, Settler } from './settler.js';
import { TrimReport } from '../dead-letters/trim-report.js';

export interface WorkerOptions {
  /** How many events are handled at once. */
  readonly concurrency: number;
  /** How long a worker that has gone keeps its messages, ms. */
  readonly lease: number;
  /** How often a message is handed out at the most, when it is handed out again. */
  readonly maxDeliveries: number;
  readonly deadLetters: DeadLetterCap;
  /** Original consumers read the queue too. */
  readonly legacyConsumers: boolean;
}

export interface WorkerListener extends ConnectionListener, RecoveryListener {
  /** Something is wrong with Redis that the queue can live with. */
  warned(message: string): void;
  /** Dead letters that made room, since the last time: because there were too many, and because of their age. */
  trimmed(tooMany: number, tooOld: number): void;
  /** An event to be handled. Whatever comes of it, the delivery must be ended. */
  handle(delivery: Delivery): void;
}

/** Between two looks at the clock of Redis, ms. */
const CLOCK_INTERVAL = 15_000;
/** Between two looks at what original clients have left, ms. */
const JANITOR_PACE = 1_000;

/**
 * The server's side of a queue: takes events from the consumer group and has so many of them handled at once.
 *
 * An event is running from `handle` until its end is in Redis; `Credit` says how many there may be.
 */
export class Worker {
  readonly connection: Connection;
  readonly #keys: QueueKeys;
  readonly #options: WorkerOptions;
  readonly #listener: WorkerListener;
  readonly #trims: TrimReport;
  readonly #competition: Competition;
  readonly #arbiter: Arbiter;
  readonly #outcomes: Outcomes;
  readonly #credit: Credit;
  readonly #endings: Endings;
  readonly #source: RedisSource;
  readonly #recovery: Recovery;
  readonly #clock = new RedisClock();
  readonly #running = new Running<Delivery>();
  #consumer: GroupConsumer | undefined;
  #leases: LeaseKeeper | undefined;
  #recoverer: Recoverer | undefined;
  #promoter: Promoter | undefined;
  #janitor: Janitor | undefined;
  #cancellations: Cancellations | undefined;
  #clockTimer: NodeJS.Timeout | undefined;
  /** Reads are numbered; an entry that others have decided on counts as one of its own. */
  #reads = 0;
  /** Redis refuses to hand out events. */
  #isRefused = false;
  #idle: (() => void) | undefined;

  constructor(source: RedisSource, keys: QueueKeys, options: WorkerOptions, listener: WorkerListener) {
    this.#source = source;
    this.#keys = keys;
    this.#options = options;
    this.#listener = listener;
    this.connection = new Connection(source, COMMAND_TIMEOUT, {
      status: (status) => {
        // Leases that have run on while Redis was away.
        if (status === 'connected') this.#leases?.renew();
        listener.status?.(status);
      },
      error: (error) => listener.error?.(error),
    });
    this.#trims = new TrimReport((tooMany, tooOld) => {
      listener.trimmed(tooMany, tooOld);
    });
    const competition = new Competition(options.legacyConsumers);
    this.#competition = competition;
    this.#outcomes = new Outcomes(
      this.connection,
      keys,
      competition,
      PATIENCE,
      options.deadLetters,
      (tooMany, tooOld) => {
        this.#trims.add(tooMany, tooOld);
      },
    );
    this.#arbiter = new Arbiter(this.connection, keys, {
      won: (entry, consumer, isLate) => {
        if (isLate && this.#credit.freeSlots <= (this.#consumer?.asked ?? 0))
          void this.#consumer?.handBack([entry]);
        else this.#start(entry, consumer, ++this.#reads);
      },
      putBack: (entries) => this.#consumer?.handBack(entries) ?? Promise.resolve(),
      decided: () => this.#consumer?.wake(),
      failed: (error) => {
        this.#heldUp('events that original consumers may take', error as Error);
      },
    });
    const settler = new Settler(this.connection, keys, () => this.#consumer?.wake());
    this.#credit = new Credit(options.concurrency, () => ({
      taken: this.#running.size + this.#arbiter.size,
      confirming: settler.ending,
    }));
    this.#endings = new Endings(this.#outcomes, settler, this.#clock, listener, {
      expect: (due) => this.#promoter?.expect(due),
      ended: (delivery, error) => {
        this.#ended(delivery, error);
      },
    });
    this.#recovery = new Recovery(
      this.connection,
      keys,
      competition,
      this.#outcomes,
      this.#clock,
      options.maxDeliveries,
      listener,
    );
  }

  /**
   * Resolves when events are being taken.
   * @throws {ConnectionError} when Redis is away for longer than `patience` ms, or too old
   */
  async start(patience: number): Promise<void> {
    await this.connection.whenConnected(patience);
    for (const warning of await checkRedis(this.connection.client)) this.#listener.warned(warning);
    await joinGroup(this.connection, this.#keys, this.#competition);
    await this.#clock.synchronise(this.connection.client, this.#keys);
    this.#clockTimer = setInterval(() => {
      // While Redis is away the clock goes on as it was.
      if (!this.connection.isConnected) return;
      this.#clock.synchronise(this.connection.client, this.#keys).catch(() => undefined);
    }, CLOCK_INTERVAL).unref();
    const { lease } = this.#options;
    const intake = {
      credit: (arriving: number) => this.#credit.forRead(arriving),
      take: (entries: StreamEntry[], asked: number, consumer: string) => {
        this.#take(entries, asked, consumer);
      },
    };
    this.#consumer = new GroupConsumer(
      this.#source,
      this.#keys,
      this.connection,
      this.#competition,
      intake,
      lease,
      (error) => {
        // It is tried again and again.
        if (!this.#isRefused) this.#listener.error?.(error);
        this.#isRefused = true;
      },
    );
    this.#leases = new LeaseKeeper(this.connection, this.#keys, lease, () => this.#running);
    this.#recoverer = new Recoverer(this.connection, this.#keys, this.#consumer.worker, lease, (entry) =>
      this.#recovery.recover(entry),
    );
    this.#cancellations = new Cancellations(this.connection, this.#keys, () => this.#running);
    this.#promoter = new Promoter(this.connection, this.#keys, this.#clock, (error) => {
      this.#heldUp('delayed messages', error);
    });
    this.#janitor = new Janitor(this.connection, this.#keys, JANITOR_PACE, (error) => {
      this.#heldUp('cleaning up after original clients', error);
    });
  }

  /**
   * Takes nothing more, lets what is running finish for `drainTimeout` ms, gives up the rest, and leaves the group.
   * @returns how many handlers were still running then, and how many had finished without being settled in Redis
   */
  async stop(drainTimeout: number): Promise<{ running: number; unsettled: number }> {
    this.#recoverer?.stop();
    // All at once: from now on nothing is taken, whatever is to be waited for.
    await Promise.all([this.#consumer?.stop(), this.#promoter?.stop(), this.#janitor?.stop()]);
    await this.#arbiter.stop();
    await this.#drained(drainTimeout);
    this.#cancellations?.stop();
    const running = [...this.#running].filter((delivery) => !delivery.isHandled);
    const unsettled = this.#running.size - running.length;
    this.#running.clear();
    for (const delivery of running) {
      delivery.abort(new AbandonedError(`the worker stopped; it waited for ${String(drainTimeout)} ms`));
    }
    this.#leases?.stop();
    clearInterval(this.#clockTimer);
    if (this.connection.isConnected) {
      // Best effort: what cannot be told to Redis now is found by a recoverer.
      await Promise.allSettled(running.map((delivery) => this.#recovery.giveUp(delivery)));
    }
    await this.#consumer?.leave();
    await this.connection.close();
    this.#trims.stop();
    return { running: running.length, unsettled };
  }

  #heldUp(what: string, error: Error): void {
    this.#listener.error?.(new EnqueueError(`${what}: held up: ${error.message}`, { cause: error }));
  }

  #ended(delivery: Delivery, error?: unknown): void {
    // When the worker has stopped, it has told of what was left.
    if (!this.#running.delete(delivery)) return;
    if (error !== undefined) {
      const what = `'${delivery.queued.event.action}' was handled, but Redis could not be told`;
      this.#listener.error?.(new EnqueueError(what, { cause: error }));
    }
    this.#consumer?.wake();
    if (this.#running.size === 0) this.#idle?.();
  }

  #take(entries: StreamEntry[], asked: number, consumer: string): void {
    this.#isRefused = false;
    this.#credit.adapt(entries.length, asked);
    const contested: StreamEntry[] = [];
    const read = ++this.#reads;
    let nth = 0;
    for (const entry of entries) {
      if (this.#competition.concerns(entry)) contested.push(entry);
      else this.#start(entry, consumer, read, nth);
      nth++;
    }
    if (contested.length > 0) this.#arbiter.add(contested, consumer);
  }

  #start(entry: StreamEntry, consumer: string, read: number, nth = 0): void {
    const [id] = entry;
    const failed = (error: unknown): void => {
      this.#listener.dropped(`entry ${id}`, 'malformed', error);
    };
    const due = nudgeOf(entry);
    if (due !== undefined) {
      this.#promoter?.expect(due);
      this.#outcomes.discard(id).catch(failed);
      return;
    }
    let queued;
    try {
      queued = readEntry(entry);
    } catch (error) {
      failed(error);
      this.#endings.bury(malformed(entry), 'malformed', consumer, error).catch(failed);
      return;
    }
    if (!queued) {
      this.#outcomes.skip(entry).catch(failed);
      return;
    }
    const delivery = new Delivery(queued, consumer, this.#endings, read, nth);
    this.#running.add(delivery);
    // Only a first attempt can expire: of a later one nobody knows how far the earlier ones came.
    if (queued.attempt > 1 || delivery.deadline > this.#clock.now()) this.#listener.handle(delivery);
    else if (delivery.replyTo === undefined) delivery.deadLetter('expired');
    // The first of those who wait has gone; others may be there.
    else if (queued.deduplication !== undefined) delivery.expire();
    else delivery.drop();
  }

  #drained(timeout: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
