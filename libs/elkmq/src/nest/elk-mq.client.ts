import { Logger } from '@nestjs/common';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import type { Cluster, Redis } from 'ioredis';
import { Observable } from 'rxjs';
import { decodeEvent, valueOf } from '../core/wire/codec.js';
import { ConnectionError } from '../core/errors.js';
import { QueueKeys } from '../core/keys.js';
import { readQueueState, type QueueState } from '../core/queue-state.js';
import { Requester } from '../core/sending/requester.js';
import { ServiceEvent } from '../core/service-event.js';
import { ConnectionEvents, type ElkMqEvents, type ElkMqStatus } from './connection-events.js';
import { clientOptions, type ElkMqClientOptions } from './options.js';
import { OutgoingPackets, type OutgoingPacket } from './packet.js';
import type { ElkMqSending } from './telemetry.js';

/**
 * Nest's client for a queue: `send` stores a request and answers what its handler does, `emit` stores an event.
 * Errors of the transport are instances of `EventQueueError`; what a handler throws arrives as Nest has it.
 */
export class ElkMqClient extends ClientProxy<ElkMqEvents> {
  readonly #logger = new Logger(ElkMqClient.name);
  readonly #options: ReturnType<typeof clientOptions>;
  readonly #packets: OutgoingPackets;
  readonly #events: ConnectionEvents;
  #requester: ReturnType<ElkMqClient['openRequester']> | undefined;
  /** Events that are not in Redis yet, and what waits for the last of them. */
  #emitting = 0;
  readonly #emitted: (() => void)[] = [];

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqClientOptions) {
    super();
    this.#options = clientOptions(options);
    this.#events = new ConnectionEvents(
      this.#options.queue,
      (status) => {
        this._status$.next(status);
      },
      this.#logger,
    );
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
    this.#packets = new OutgoingPackets(this.serializer, (pattern) =>
      this.normalizePattern(pattern as never),
    );
  }

  // Narrowed here, not by the base's type parameter: that would make this class no `Type<ClientProxy>`.
  override get status(): Observable<ElkMqStatus> {
    return super.status as Observable<ElkMqStatus>;
  }

  /** Resolves when connected; `send` and `emit` connect by themselves. @throws {ConnectionError} */
  async connect(): Promise<void> {
    this.#requester ??= this.openRequester();
    await this.#requester.connect();
  }

  /** Fails the requests that still wait, stores the events that are on their way, and closes the connections. */
  async close(): Promise<void> {
    if (this.#emitting > 0) await new Promise<void>((resolve) => this.#emitted.push(resolve));
    const requester = this.#requester;
    this.#requester = undefined;
    await requester?.close(
      new ConnectionError(`the client of the queue '${this.#options.queue}' was closed`),
    );
  }

  override on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#events.on(event, callback);
  }

  /**
   * How the queue is now; connects if need be.
   * @param timeout how long Redis may take, ms; default: the `enqueueTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout = this.#options.sending.enqueueTimeout): Promise<QueueState> {
    this.#requester ??= this.openRequester();
    const { source, queue } = this.#options;
    return readQueueState(this.#requester.connection, new QueueKeys(queue, source.isCluster), timeout);
  }

  /** The ioredis client that stores messages. */
  unwrap<T = Redis | Cluster>(): T {
    if (!this.#requester) throw new Error('Not connected. Call "connect" first.');
    return this.#requester.connection.client as T;
  }

  /** As Nest's `emit`; a failure that nobody has subscribed to is logged. */
  override emit<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    const source = super.emit<TResult, TInput>(pattern, data);
    let isWatched = false;
    this.#emitting++;
    const ended = (): void => {
      if (--this.#emitting > 0) return;
      for (const wake of this.#emitted.splice(0)) wake();
    };
    source.subscribe({
      error: (error: unknown) => {
        // A refusal comes before anybody can have subscribed.
        queueMicrotask(() => {
          if (!isWatched) this.#logger.error(`An event was not emitted: ${String(error)}`);
        });
        ended();
      },
      complete: ended,
    });
    return new Observable((observer) => {
      isWatched = true;
      return source.subscribe(observer);
    });
  }

  protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    let cancel: (() => void) | undefined;
    let isCancelled = false;
    const sending = this.#watched(packet, true);
    const start = (written: OutgoingPacket): void => {
      if (isCancelled) return;
      const wait = written.timeout ?? this.#options.timeout;
      const event = new ServiceEvent(wholeSeconds(wait), written.action, written.payload);
      const listener = {
        reply: this.#replyTo(tell),
        failed: fail,
        ...(sending && { stored: sending.stored.bind(sending) }),
      };
      cancel = this.#connected().request(event, wait, listener, written);
    };
    const tell = sending ? watching(callback, sending) : callback;
    const fail = (err: unknown): void => {
      tell({ err });
    };
    try {
      const written = this.#packets.write(packet, sending?.headers);
      if (written instanceof Promise) written.then(start).catch(fail);
      else start(written);
    } catch (error) {
      fail(error);
    }
    return () => {
      isCancelled = true;
      cancel?.();
      sending?.ended();
    };
  }

  protected override async dispatchEvent<T = void>(packet: ReadPacket): Promise<T> {
    const sending = this.#watched(packet, false);
    try {
      const written = await this.#packets.write(packet, sending?.headers);
      const { action, payload, timeout } = written;
      const event = new ServiceEvent(wholeSeconds(timeout ?? this.#options.eventTimeout), action, payload);
      const id = await this.#connected().enqueue(event, written);
      sending?.stored(id);
    } catch (error) {
      sending?.ended(error);
      throw error;
    }
    return undefined as T;
  }

  #watched({ pattern }: ReadPacket, isRequest: boolean): ElkMqSending | undefined {
    const { telemetry, queue } = this.#options;
    if (!telemetry) return undefined;
    const normalised: unknown = this.normalizePattern(pattern as never);
    return telemetry.sending(queue, String(normalised), isRequest);
  }

  /** Takes replies as they come off the wire. A deserializer may be asynchronous: then later replies wait for it. */
  #replyTo(callback: (packet: WritePacket) => void): (body: unknown, last: boolean) => void {
    let before: Promise<void> | undefined;
    const tell = ({ err, response, isDisposed }: WritePacket, last: boolean): void => {
      callback({
        err: err as unknown,
        response: response as unknown,
        isDisposed: last || isDisposed === true,
      });
    };
    const receive = (body: unknown, last: boolean): Promise<void> | undefined => {
      const read = this.deserializer.deserialize(packetOf(body, last));
      if (read instanceof Promise) {
        return read.then((packet) => {
          tell(packet, last);
        });
      }
      tell(read, last);
      return undefined;
    };
    const fail = (err: unknown): void => {
      callback({ err });
    };
    return (body, last) => {
      try {
        before = before
          ? before.then(() => receive(body, last)).catch(fail)
          : receive(body, last)?.catch(fail);
      } catch (error) {
        fail(error);
      }
    };
  }

  #connected(): ReturnType<ElkMqClient['openRequester']> {
    if (!this.#requester)
      throw new ConnectionError(`the client of the queue '${this.#options.queue}' is closed`);
    return this.#requester;
  }

  /** @internal What stores messages; a test has its own. */
  protected openRequester(): Pick<Requester, 'connection' | 'connect' | 'close' | 'enqueue' | 'request'> {
    const { source, queue, sending } = this.#options;
    const keys = new QueueKeys(queue, source.isCluster);
    return new Requester(source, keys, sending, this.#events);
  }
}

/** Tells of the end of a request. */
function watching(callback: (packet: WritePacket) => void, sending: ElkMqSending) {
  return (packet: WritePacket): void => {
    const { err, isDisposed } = packet as { err?: unknown; isDisposed?: boolean };
    if (err !== undefined || isDisposed === true) sending.ended(err);
    callback(packet);
  };
}

/** The wire has whole seconds: rounded up, so that a worker never takes for expired what is still waited for. */
function wholeSeconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}

/** A reply body is what a handler answered, or the JSON of a response event when an `EventQueue` did. */
function packetOf(body: unknown, isDisposed: boolean): WritePacket {
  if (typeof body === 'string') return { response: valueOf(decodeEvent(body).payload), isDisposed };
  return { ...(body as WritePacket | null), isDisposed };
}
