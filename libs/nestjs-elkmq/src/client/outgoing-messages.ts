import type {
  ProducerDeserializer,
  ProducerSerializer,
  ReadPacket,
  WritePacket,
} from '@nestjs/microservices';
import { ServiceEvent } from 'elkmq';
import { headersOf, type Requester } from 'elkmq/internal';
import type { ClientSettings } from '../parsed-options.js';
import { OutgoingPackets, type OutgoingPacket } from './packet.js';
import { ReplyPackets } from './reply-packets.js';
import { callSafely, type ElkMqSendObserver } from '../instrumentation.js';
import { runStep, whenFulfilled } from '../value-or-promise.js';

/** @internal */
export type RequesterLike = Pick<Requester, 'connection' | 'connect' | 'close' | 'store' | 'request'>;

/** Makes messages of Nest's packets, and gives them to the requester, which stores them. */
export class OutgoingMessages {
  readonly #options: ClientSettings;
  readonly #packets: OutgoingPackets;
  readonly #deserializer: ProducerDeserializer;
  readonly #normalise: (pattern: unknown) => unknown;
  readonly #log: (message: string) => void;
  readonly #requester: () => RequesterLike;

  /** @param requester throws when the client is closed */
  constructor(
    options: ClientSettings,
    serializer: ProducerSerializer,
    deserializer: ProducerDeserializer,
    normalise: (pattern: unknown) => unknown,
    log: (message: string) => void,
    requester: () => RequesterLike,
  ) {
    this.#options = options;
    this.#packets = new OutgoingPackets(serializer, normalise);
    this.#deserializer = deserializer;
    this.#normalise = normalise;
    this.#log = log;
    this.#requester = requester;
  }

  /** @returns a function that ends the request */
  request(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const sending = this.#watched(packet, true);
    const { timeout } = this.#options;
    const packets = new ReplyPackets(this.#deserializer, callback, sending, timeout);
    const timeoutMs = Math.min(timeout, this.#options.sending.enqueueTimeout);
    let cancel: (() => void) | undefined;
    let isCancelled = false;
    const start = (written: OutgoingPacket): void => {
      if (!isCancelled) cancel = this.#request(written, packets);
    };
    void runStep(
      () => whenFulfilled(this.#packets.write(packet, timeoutMs, sending?.headers), start),
      (error) => {
        packets.failed(error);
      },
    );
    return () => {
      isCancelled = true;
      cancel?.();
      sending?.ended();
    };
  }

  /** Resolves when Redis has the event. */
  store(packet: ReadPacket): Promise<void> {
    return new Promise((resolve, reject) => {
      const sending = this.#watched(packet, false);
      const stored = (id: string): void => {
        sending?.stored(id);
        resolve();
      };
      const failed = (error: unknown): void => {
        sending?.ended(error);
        const reason = error as Error;
        reject(reason);
      };
      const store = (written: OutgoingPacket): void => {
        const { action, payload, timeout = this.#options.eventTimeout } = written;
        const event = new ServiceEvent(wholeSeconds(timeout), action, payload);
        this.#requester().store(event, written, stored, failed);
      };
      const { enqueueTimeout } = this.#options.sending;
      void runStep(
        () => whenFulfilled(this.#packets.write(packet, enqueueTimeout, sending?.headers), store),
        failed,
      );
    });
  }

  /** @returns a function that cancels the request */
  #request(written: OutgoingPacket, packets: ReplyPackets): () => void {
    const { action, payload, timeout = this.#options.timeout } = written;
    return this.#requester().request(
      new ServiceEvent(wholeSeconds(timeout), action, payload),
      timeout,
      packets,
      written,
    );
  }

  #watched({ pattern }: ReadPacket, isRequest: boolean): ElkMqSendObserver | undefined {
    const { telemetry, queue } = this.#options;
    if (!telemetry) return undefined;
    // The telemetry is called in the middle of a batch. An error that it throws would look like a failure of
    // the batch.
    const sending = callSafely(
      () => telemetry.startSend(queue, String(this.#normalise(pattern)), isRequest),
      this.#log,
    );
    const headers = sending && callSafely(() => headersOf(sending.headers), this.#log);
    if (!headers) return undefined;
    return {
      headers,
      stored: (id) => {
        callSafely(() => sending.stored(id), this.#log);
      },
      ended: (error) => {
        callSafely(() => sending.ended(error), this.#log);
      },
    };
  }
}

/**
 * The wire has whole seconds. They are rounded up, so that no message expires while its caller still waits.
 */
function wholeSeconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}
