import type { QueueContext } from '../context/queue-context.js';
import { Batch, IS_REFUSED, QUEUE_IS_FULL, type BatchWatch, type OutgoingEvent } from './batch.js';
import { enqueueCall, type Sender } from './enqueue-call.js';
import { SendBuffer } from './send-buffer.js';
import { SenderOrder } from './sender-order.js';
import { COMMAND_TIMEOUT_MS, type Connection } from '../redis/connection.js';
import { attentiveNow } from '../redis/answer-timer.js';
import {
  BufferFullError,
  ConnectionError,
  EnqueueError,
  InvalidOptionError,
  QueueFullError,
} from '../model/errors.js';
import { reliably, scheduleFlush } from '../redis/reliable-call.js';
import { isReplyError } from '../redis/redis-errors.js';
import { runReplicated, runScript, type ScriptCall } from '../redis/scripts.js';

export interface ProducerOptions {
  /** The time that an event waits to be stored before it fails with a `ConnectionError`, ms. */
  readonly enqueueTimeout: number;
  /** The number of messages that the queue may hold; any number when it is not given. */
  readonly maxQueueLength: number | undefined;
  /** The number of replicas that must have a message before it counts as stored. */
  readonly minReplicas: number;
  /** Whether legacy consumers read the queue too. */
  readonly legacyConsumers: boolean;
  /** The amount that may be waiting and on its way, counted as characters of JSON. */
  readonly maxBufferedBytes: number;
}

/** Stands for a batch without ordering keys. */
const NO_KEYS = -1;
/** The number of batches on their way at once. The script remembers as many answers. */
const BATCHES_IN_FLIGHT = 8;
/** The delay of Redis when WAIT is out of time, ms: Redis looks ten times a second. */
const WAIT_PRECISION_MS = 100;
/** The time for which the script remembers its answers after the producer has given up, ms. */
const ANSWER_TTL_MARGIN_MS = 60_000;

/**
 * Stores events, once each, in batches. Events that are added during one tick go out together. Batches are
 * numbered, and are sent again when their answer was lost. The script gives its first answer again when it
 * has seen the number before.
 */
export class Producer {
  readonly #context: QueueContext;
  readonly #sender: Sender;
  readonly #timeoutMs: number;
  readonly #minReplicas: number;
  readonly #buffer: SendBuffer;
  readonly #watch: BatchWatch | undefined;
  #waiting: Batch[] = [];
  #inFlight = 0;
  #nextNumber = 1;
  #scheduled = false;
  #idle: (() => void)[] = [];
  /** The `attentiveNow()` at which Redis answered last. */
  #answeredAt = 0;
  readonly #prepare: () => Promise<void>;
  /**
   * The numbers of the batches on their way. A number may go out only when the number BATCHES_IN_FLIGHT
   * before it is done.
   */
  readonly #open = new Set<number>();
  /** Keeps the order of messages with ordering keys. */
  readonly #order = new SenderOrder();

  /** @param prepare checks a Redis that is new to this process, before anything is stored there */
  constructor(
    context: QueueContext,
    clientId: string,
    options: ProducerOptions,
    prepare: () => Promise<void>,
    buffer = new SendBuffer(options.maxBufferedBytes),
    watch?: BatchWatch,
  ) {
    this.#context = context;
    const { enqueueTimeout, maxQueueLength, minReplicas } = options;
    this.#prepare = prepare;
    const { legacy } = context;
    const answerTtlMs = Math.ceil(enqueueTimeout) + ANSWER_TTL_MARGIN_MS;
    this.#sender = { clientId, window: BATCHES_IN_FLIGHT, answerTtlMs, maxQueueLength, legacy };
    this.#timeoutMs = enqueueTimeout;
    this.#minReplicas = minReplicas;
    this.#buffer = buffer;
    this.#watch = watch;
  }

  /** Puts `event` in the batch of this tick. The event fails at once when too much is waiting already. */
  produce(event: OutgoingEvent): void {
    if (!this.#buffer.reserve(event.json.length)) {
      event.failed(bufferFull(event.json.length, this.#buffer));
      return;
    }
    let batch = this.#waiting.at(-1);
    if (!batch?.hasRoomFor(event)) {
      batch = new Batch();
      this.#waiting.push(batch);
    }
    batch.addEvent(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    scheduleFlush(this.#inFlight === 0, () => {
      this.#scheduled = false;
      const now = attentiveNow();
      for (const waiting of this.#waiting) waiting.since ??= now;
      this.#flush();
    });
  }

  /** Takes back an event that has not been sent. Returns whether that was possible. */
  takeBack(event: OutgoingEvent): boolean {
    if (!this.#waiting.some((batch) => batch.removeEvent(event))) return false;
    this.#buffer.release(event.json.length);
    return true;
  }

  /** Resolves when nothing is waiting or on its way. */
  async drained(): Promise<void> {
    while (this.#waiting.length > 0 || this.#inFlight > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #flush(): void {
    while (this.#waiting.length > 0 && !this.#open.has(this.#nextNumber - BATCHES_IN_FLIGHT)) {
      const batch = this.#waiting.shift() as Batch;
      if (batch.events.length > 0) void this.#send(batch, this.#nextNumber++);
    }
    if (this.#waiting.length > 0 || this.#inFlight > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const wake of idle) wake();
  }

  async #send(batch: Batch, number: number): Promise<void> {
    const { events } = batch;
    this.#inFlight++;
    this.#open.add(number);
    this.#watch?.batchSent();
    if (batch.isKeyed) this.#order.open(number);
    try {
      const ids = await (this.#minReplicas === 0
        ? this.#call(batch, number)
        : this.#callReplicated(batch, number));
      this.#answeredAt = attentiveNow();
      const each = ids.split(',');
      let stored = 0;
      for (let n = 0; n < events.length; n++) {
        const id = each[n] as string;
        if (this.#answered(events[n] as OutgoingEvent, id, batch)) stored++;
      }
      this.#context.rates.countStored(stored);
    } catch (error) {
      const failure = asEnqueueFailure(error);
      for (const event of events) event.failed(failure);
    } finally {
      this.#buffer.release(batch.size);
      this.#watch?.batchEnded();
      this.#open.delete(number);
      this.#order.close(number);
      this.#inFlight--;
      this.#flush();
    }
  }

  /** Returns whether the event is in the queue. */
  #answered(event: OutgoingEvent, id: string, { unconfirmed }: Batch): boolean {
    if (id === QUEUE_IS_FULL) {
      const limit = `maxQueueLength is ${String(this.#sender.maxQueueLength)}`;
      event.failed(new QueueFullError(`the queue '${this.#context.keys.queue}' is full: ${limit}`));
      return false;
    }
    if (id.startsWith(IS_REFUSED)) {
      event.failed(new EnqueueError(`Redis refused to store the event: ${id.slice(IS_REFUSED.length)}`));
      return false;
    }
    if (unconfirmed) event.failed(unconfirmed);
    else event.stored(id);
    return true;
  }

  async #call(batch: Batch, number: number): Promise<string> {
    const answer = await this.#reliably(batch, number, (client, call) => runScript(client, call));
    return answer as string;
  }

  async #callReplicated(batch: Batch, number: number): Promise<string> {
    const wanted = this.#minReplicas;
    // WAIT blocks the connection. The waits of all batches on their way must fit into the timeout of a
    // command, and into that of the batch.
    const share = Math.min(COMMAND_TIMEOUT_MS, this.#timeoutMs) / (BATCHES_IN_FLIGHT + 2);
    const timeout = Math.max(Math.ceil(share) - WAIT_PRECISION_MS, 20);
    const { answer, confirmed } = await this.#reliably(batch, number, (client, call) =>
      runReplicated(client, call, wanted, timeout),
    );
    if (confirmed < wanted) {
      const who = `${String(confirmed)} of ${String(wanted)} replicas`;
      batch.unconfirmed = new EnqueueError(
        `the event is stored, but was confirmed by only ${who} within ${String(timeout)} ms`,
      );
    }
    return answer as string;
  }

  /**
   * Runs the call of a batch. The time that the batch has waited for a place in the window counts, except the
   * time in which Redis answered other batches.
   */
  #reliably<T>(
    batch: Batch,
    number: number,
    run: (client: Connection['client'], call: ScriptCall) => Promise<T>,
  ): Promise<T> {
    const callOf = (after: number): ScriptCall =>
      enqueueCall(batch.events, this.#context, this.#sender, number, after);
    const plain = batch.isKeyed ? undefined : callOf(NO_KEYS);
    const store = (client: Connection['client']): Promise<T> =>
      plain ? run(client, plain) : this.#order.storeInOrder(number, (after) => run(client, callOf(after)));
    const prepared = async (client: Connection['client']): Promise<T> => {
      try {
        await this.#prepare();
        return await store(client);
      } catch (error) {
        this.#watch?.attemptFailed(error);
        throw error;
      }
    };
    return reliably(this.#context.connection, prepared, this.#timeoutMs, {
      since: Math.max(batch.since ?? 0, this.#answeredAt),
      size: () => batch.size,
    });
  }
}

/** The error of an event that was not stored. */
export function asEnqueueFailure(error: unknown): Error {
  if (error instanceof ConnectionError || error instanceof InvalidOptionError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return isReplyError(error)
    ? new EnqueueError(`Redis refused to store the event: ${why}`, { cause: error })
    : new EnqueueError(`the event was not stored: ${why}`, { cause: error });
}

/** The error of an event that has no room in the buffer. */
export function bufferFull(size: number, { max }: SendBuffer): BufferFullError {
  return new BufferFullError(
    `the event was not stored: with its ${String(size)} bytes, more than maxBufferedBytes (${String(max)}) would wait for Redis`,
  );
}
