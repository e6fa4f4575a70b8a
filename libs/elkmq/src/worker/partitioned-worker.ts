import { setTimeout as sleep } from 'node:timers/promises';
import { Slots } from '../consumer/slots.js';
import { ConnectionError, type UnsubscribedError } from '../model/errors.js';
import { partitionKeys } from '../model/partitions.js';
import { reportOnce } from '../model/report-once.js';
import { topicPartitions } from '../model/topic-keys.js';
import { warnOfFullCoverage } from '../redis/check.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import { withinTime } from '../redis/within-time.js';
import { PartitionNumber } from '../redis/partition-check.js';
import type { RedisSource } from '../redis/redis-source.js';
import { topicNumber } from '../topics/topic-number.js';
import { Worker } from './worker.js';
import type { WorkerListener, WorkerOptions } from './worker-options.js';
import { workerName } from '../consumer/consumer-name.js';

/** The pause between two tries to start the worker of a partition, ms. */
const RETRY_PAUSE_MS = 1_000;

/**
 * The server's side of a queue with partitions: a `Worker` for each of them. They share the slots, the
 * connection for scripts, and the name. When it is the queue of a subscription, each of them serves the
 * subscription in one partition of the topic.
 */
export class PartitionedWorker {
  readonly connection: Connection;
  readonly #workers: readonly Worker[];
  readonly #listener: WorkerListener;
  readonly #warned: (message: string) => void;
  readonly #unsubscribed: (error: UnsubscribedError) => void;
  #isStopped = false;

  /**
   * @param queue the name of the queue
   * @param partitions their number
   * @param options the `concurrency` is that of all partitions together, and at least their number
   * @throws {InvalidOptionError} when a queue with this name can have no partitions
   */
  constructor(
    source: RedisSource,
    queue: string,
    partitions: number,
    options: WorkerOptions,
    listener: WorkerListener,
  ) {
    const allKeys = partitionKeys(queue, partitions, source.isCluster);
    this.#listener = listener;
    this.#warned = reportOnce((message) => {
      listener.warned(message);
    });
    this.connection = new Connection(source, COMMAND_TIMEOUT_MS, {
      status: (status) => {
        if (status === 'connected') for (const worker of this.#workers) worker.renewLeases();
        listener.status?.(status);
      },
      error: (error) => listener.error?.(error),
    });
    this.#unsubscribed = callOnce((error) => listener.unsubscribed?.(error));
    const slots = new Slots(options.concurrency, partitions);
    const { subscription } = options;
    const topics = subscription ? topicPartitions(subscription.topic, partitions) : [];
    const number = subscription ? topicNumber(topics) : new PartitionNumber(allKeys);
    const parts = { connection: this.connection, number, slots, name: workerName() };
    this.#workers = allKeys.map((keys, index) => {
      const topic = topics[index]?.topic;
      const leader = index === 0 ? undefined : topics[0]?.topic;
      const served = subscription && topic !== undefined ? { ...subscription, topic, leader } : undefined;
      return new Worker(source, keys, { ...options, subscription: served }, this.#listenerOf(index), parts);
    });
  }

  /** The number of messages that are being handled or settled. */
  countRunning(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.countRunning(), 0);
  }

  /** Takes nothing while the queue waits for its predecessor, as `Worker.waitFor` does. */
  waitFor(predecessor: string | undefined): void {
    for (const worker of this.#workers) worker.waitFor(predecessor);
  }

  /**
   * Resolves when messages are being taken. A partition that does not answer in time is reported, and is
   * tried again and again.
   * @throws {ConnectionError} when no partition answers within `timeoutMs` ms, or Redis is too old
   * @throws {DequeueError} when Redis refuses to hand out events
   * @throws {InvalidOptionError} when the queue, or the topic, has another number of partitions
   */
  async start(timeoutMs: number): Promise<void> {
    const started = await Promise.allSettled(this.#workers.map((worker) => worker.start(timeoutMs)));
    const errors = started.map((result) => (result.status === 'rejected' ? (result.reason as Error) : null));
    const fatal =
      errors.find((error) => error && !(error instanceof ConnectionError)) ??
      (errors.includes(null) && !this.#isStopped ? null : errors[0]);
    if (fatal) throw fatal;
    await warnOfFullCoverage(this.connection.client, this.#warned);
    for (const [index, error] of errors.entries()) {
      if (!error) continue;
      this.#warned(`partition ${String(index)} is not served yet: ${error.message}`);
      void this.#startLater(this.#workers[index] as Worker, timeoutMs);
    }
  }

  /**
   * Takes nothing more, and stops all partitions as `Worker.stop` does.
   * @returns the number of handlers that were still running then, and of those that had finished without
   * being settled in Redis
   */
  async stop(drainTimeout: number): Promise<{ running: number; unsettled: number }> {
    this.#isStopped = true;
    const timeoutMs = drainTimeout + 2 * COMMAND_TIMEOUT_MS;
    const none = { running: 0, unsettled: 0 };
    // A worker whose partition does not answer may wait for it.
    const left = await Promise.all(
      this.#workers.map((worker) => withinTime(worker.stop(drainTimeout), timeoutMs, none)),
    );
    await this.connection.closeConnection();
    return {
      running: left.reduce((sum, { running }) => sum + running, 0),
      unsettled: left.reduce((sum, { unsettled }) => sum + unsettled, 0),
    };
  }

  async #startLater(worker: Worker, timeoutMs: number): Promise<void> {
    while (!this.#isStopped) {
      await sleep(RETRY_PAUSE_MS, undefined, { ref: false });
      try {
        await worker.start(timeoutMs);
        return;
      } catch (error) {
        if (error instanceof ConnectionError) continue;
        this.#listener.error?.(error as Error);
        return;
      }
    }
  }

  /** The pause and the limits are those of all partitions, so the first partition reports them. */
  #listenerOf(index: number): WorkerListener {
    const all = { ...this.#listener, warned: this.#warned, unsubscribed: this.#unsubscribed };
    return index === 0 ? all : { ...all, paused: () => undefined, limited: () => undefined };
  }
}

/** Passes the first value on. The partitions report the same thing, each for itself. */
function callOnce<T>(report: (value: T) => void): (value: T) => void {
  let isReported = false;
  return (value) => {
    if (isReported) return;
    isReported = true;
    report(value);
  };
}
