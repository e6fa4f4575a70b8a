import { AsyncResource } from 'node:async_hooks';
import type { ProducerDeserializer, WritePacket } from '@nestjs/microservices';
import { TimeoutExpiredError } from 'elkmq';
import { decodeEvent, type ReplyListener, valueOf } from 'elkmq/internal';
import type { ElkMqSendObserver } from '../instrumentation.js';
import { givenUpAfter, runStep, whenFulfilled, type ValueOrPromise } from '../value-or-promise.js';

/**
 * Hands the replies to one request to Nest, in the order in which they come. When a deserializer is
 * asynchronous, later replies wait for it.
 *
 * It keeps the async context of the caller, because replies come in the context of the connection.
 */
export class ReplyPackets extends AsyncResource implements ReplyListener {
  #before: Promise<void> | undefined;

  constructor(
    private readonly deserializer: ProducerDeserializer,
    private readonly callback: (packet: WritePacket) => void,
    private readonly sending: ElkMqSendObserver | undefined,
    /** The time that a deserializer may take for one reply, if it is asynchronous, ms. */
    private readonly timeoutMs: number,
  ) {
    super('ElkMqRequest');
  }

  stored(id: string): void {
    this.sending?.stored(id);
  }

  reply(body: unknown, last: boolean): void {
    this.#before = runStep(
      () => this.#read(body, last),
      (error) => {
        this.failed(error);
      },
      this.#before,
    );
  }

  failed(err: unknown): void {
    this.sending?.ended(err);
    this.runInAsyncScope(this.callback, undefined, { err });
  }

  #read(body: unknown, last: boolean): ValueOrPromise<void> {
    const packet: ValueOrPromise<WritePacket> = this.deserializer.deserialize(packetOf(body, last));
    const inTime = packet instanceof Promise ? this.#deserializedInTime(packet) : packet;
    return whenFulfilled(inTime, (read) => {
      this.#tell(read, last);
    });
  }

  #deserializedInTime(packet: Promise<WritePacket>): Promise<WritePacket> {
    const ms = this.timeoutMs;
    const why = `the deserializer did not end within ${String(ms)} ms`;
    return givenUpAfter(packet, ms, () => new TimeoutExpiredError(why));
  }

  #tell({ err, response, isDisposed = false }: WritePacket, last: boolean): void {
    const isLast = last || isDisposed;
    if (this.sending && (err !== undefined || isLast)) this.sending.ended(err);
    const packet = { err: err as unknown, response: response as unknown, isDisposed: isLast };
    this.runInAsyncScope(this.callback, undefined, packet);
  }
}

/**
 * The body of a reply is Nest's packet with the value of a handler, or the JSON of a response event when an
 * `EventQueue` answers.
 */
function packetOf(body: unknown, isDisposed: boolean): WritePacket {
  if (typeof body === 'string') return { response: valueOf(decodeEvent(body).payload), isDisposed };
  // The packet was just parsed and nobody else has it, so it can be changed.
  return Object.assign((body as WritePacket | null) ?? {}, { isDisposed });
}
