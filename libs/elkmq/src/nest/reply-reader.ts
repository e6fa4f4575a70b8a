import type { ProducerDeserializer, WritePacket } from '@nestjs/microservices';
import type { ReplyListener } from '../core/sending/waiting-request.js';
import { decodeEvent, valueOf } from '../core/wire/codec.js';
import type { ElkMqSending } from './telemetry.js';

/**
 * Hands the replies to one request to Nest, as they come off the wire. A deserializer may be asynchronous: then later
 * replies wait for it.
 */
export class ReplyReader implements ReplyListener {
  #before: Promise<void> | undefined;

  constructor(
    private readonly deserializer: ProducerDeserializer,
    private readonly callback: (packet: WritePacket) => void,
    private readonly sending: ElkMqSending | undefined,
  ) {}

  stored(id: string): void {
    this.sending?.stored(id);
  }

  reply(body: unknown, last: boolean): void {
    if (this.#before) {
      this.#before = this.#before
        .then(() => this.#read(body, last))
        .catch((error: unknown) => {
          this.failed(error);
        });
      return;
    }
    try {
      this.#before = this.#read(body, last)?.catch((error: unknown) => {
        this.failed(error);
      });
    } catch (error) {
      this.failed(error);
    }
  }

  failed(err: unknown): void {
    this.sending?.ended(err);
    this.callback({ err });
  }

  #read(body: unknown, last: boolean): Promise<void> | undefined {
    const read = this.deserializer.deserialize(packetOf(body, last));
    if (!(read instanceof Promise)) {
      this.#tell(read, last);
      return undefined;
    }
    return read.then((packet) => {
      this.#tell(packet, last);
    });
  }

  #tell({ err, response, isDisposed = false }: WritePacket, last: boolean): void {
    const isLast = last || isDisposed;
    if (this.sending && (err !== undefined || isLast)) this.sending.ended(err);
    this.callback({ err: err as unknown, response: response as unknown, isDisposed: isLast });
  }
}

/** A reply body is what a handler answered, or the JSON of a response event when an `EventQueue` did. */
function packetOf(body: unknown, isDisposed: boolean): WritePacket {
  if (typeof body === 'string') return { response: valueOf(decodeEvent(body).payload), isDisposed };
  // What was just parsed is nobody else's.
  return Object.assign((body as WritePacket | null) ?? {}, { isDisposed });
}
