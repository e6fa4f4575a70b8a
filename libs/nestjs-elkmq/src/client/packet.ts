import type { ProducerSerializer, ReadPacket } from '@nestjs/microservices';
import { EnqueueError, InvalidEventError, JsonDumpError } from 'elkmq';
import { type Deduplication, formatValue, toJson } from 'elkmq/internal';
import { hasBrand, RECORD } from '../brands.js';
import type { ElkMqRecord } from '../message-options.js';
import { givenUpAfter, whenFulfilled, type ValueOrPromise } from '../value-or-promise.js';

/** A Nest packet in the form that the queue stores. */
export interface OutgoingPacket {
  readonly action: string;
  readonly payload: string;
  /** Further fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** The timeout of the record, ms. Without one, the client's is used. */
  readonly timeout: number | undefined;
  /** Whole milliseconds; 0 for none. */
  readonly delay: number;
  readonly deduplication: Deduplication | undefined;
  readonly orderingKey: string | undefined;
}

/** A dispatch hook of the client can put metadata into the packet (Nest 12.1). */
type Packet = ReadPacket<unknown> & { metadata?: Record<string, string> };

const NO_FIELDS: readonly string[] = [];

const nothing = (): void => undefined;

export class OutgoingPackets {
  /** The end of the latest message with an ordering key, while its serializer works. */
  #keyed: Promise<void> | undefined;

  constructor(
    private readonly serializer: ProducerSerializer,
    private readonly normalise: (pattern: unknown) => unknown,
  ) {}

  /**
   * Returns a promise only when the serializer does, or has not ended for an earlier message. Messages with
   * an ordering key come in the order of the calls.
   * @param timeoutMs the time that a serializer may take, if it is asynchronous
   * @param extraHeaders are added to the headers of the record, which win
   * @throws {InvalidEventError} when the pattern cannot be one
   * @throws {JsonDumpError} when the data cannot be written as JSON
   */
  write(
    packet: Packet,
    timeoutMs: number,
    extraHeaders?: Record<string, string>,
  ): ValueOrPromise<OutgoingPacket> {
    const action = this.normalise(packet.pattern);
    if (typeof action !== 'string' || action === '') {
      throw new InvalidEventError(
        `pattern must be a string that is not empty, a number or an object; got ${formatValue(packet.pattern)}`,
      );
    }
    const { data, metadata } = packet;
    const record = hasBrand(data, RECORD) ? (data as ElkMqRecord) : undefined;
    const headers = extraHeaders ? { ...extraHeaders, ...record?.headers } : record?.headers;
    const fields = headers || metadata ? fieldsOf(headers, metadata) : NO_FIELDS;
    const plain = record ? { ...packet, data: record.data } : packet;
    const serialized: unknown = this.serializer.serialize(plain as never, record);
    const inTime =
      serialized instanceof Promise
        ? serializedWithin(serialized, Math.min(record?.timeout ?? Infinity, timeoutMs))
        : serialized;
    const written = whenFulfilled(inTime, (text) => outgoing(action, text, fields, record));
    const hasTurn = record?.orderingKey !== undefined && (this.#keyed ?? written) instanceof Promise;
    return hasTurn ? this.#inTurn(written) : written;
  }

  /** Has a message with an ordering key wait for those before it. Other messages do not wait. */
  #inTurn(written: ValueOrPromise<OutgoingPacket>): Promise<OutgoingPacket> {
    // It may fail while it waits. Its caller is told when its turn comes.
    if (written instanceof Promise) written.catch(nothing);
    const turn = (this.#keyed ?? Promise.resolve()).then(() => written);
    const ended = turn.then(nothing, nothing);
    this.#keyed = ended;
    void ended.then(() => {
      if (this.#keyed === ended) this.#keyed = undefined;
    });
    return turn;
  }
}

function serializedWithin(serialized: Promise<unknown>, ms: number): Promise<unknown> {
  const why = `the event was not stored: its serializer did not end within ${String(ms)} ms`;
  return givenUpAfter(serialized, ms, () => new EnqueueError(why));
}

function outgoing(
  action: string,
  serialized: unknown,
  fields: readonly string[],
  record: ElkMqRecord | undefined,
): OutgoingPacket {
  return {
    action,
    payload: payloadOf(serialized, action),
    fields,
    timeout: record?.timeout,
    delay: Math.ceil(record?.delay ?? 0),
    deduplication: record?.deduplication,
    orderingKey: record?.orderingKey,
  };
}

function fieldsOf(
  headers: Readonly<Record<string, string>> | undefined,
  metadata: Record<string, string> | undefined,
): string[] {
  const fields: string[] = [];
  if (headers) fields.push('headers', JSON.stringify(headers));
  if (metadata) fields.push('metadata', JSON.stringify(metadata));
  return fields;
}

/** A serializer returns a packet with the payload as its data, or the text of the payload itself. */
function payloadOf(serialized: unknown, action: string): string {
  if (typeof serialized === 'string') return serialized;
  const { data } = serialized as ReadPacket<unknown>;
  const failed = `the payload of '${action}' cannot be written as JSON: `;
  let json: string | undefined;
  try {
    json = toJson(data);
  } catch (error) {
    throw new JsonDumpError(failed + (error as Error).message, { cause: error });
  }
  if (json === undefined) throw new JsonDumpError(`${failed}it is ${formatValue(data)}`);
  return json;
}
