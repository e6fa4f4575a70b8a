import type { ProducerSerializer, ReadPacket } from '@nestjs/microservices';
import { InvalidEventError, JsonDumpError } from '../core/errors.js';
import type { Deduplication } from '../core/sending/batch.js';
import { toJson } from '../core/wire/json.js';
import { shown } from '../core/options.js';
import { hasBrand, RECORD } from './brands.js';
import type { ElkMqRecord } from './elk-mq.record-builder.js';

/** A Nest packet in the words of the queue. */
export interface OutgoingPacket {
  readonly action: string;
  readonly payload: string;
  /** Further fields of the entry, name and value in turn. */
  readonly fields: readonly string[];
  /** Milliseconds, when the record has its own. */
  readonly timeout: number | undefined;
  /** Whole milliseconds; 0 for none. */
  readonly delay: number;
  readonly deduplication: Deduplication | undefined;
}

/** Metadata is what a dispatch hook of the client has put into the packet (Nest 12.1). */
type Packet = ReadPacket<unknown> & { metadata?: Record<string, string> };

const NO_FIELDS: readonly string[] = [];

export class OutgoingPackets {
  constructor(
    private readonly serializer: ProducerSerializer,
    private readonly normalise: (pattern: unknown) => unknown,
  ) {}

  /**
   * A promise only when the serializer answers one.
   * @param extraHeaders go with those of the record, which win
   * @throws {InvalidEventError} when the pattern is none
   * @throws {JsonDumpError} when the data cannot be written as JSON
   */
  write(packet: Packet, extraHeaders?: Record<string, string>): OutgoingPacket | Promise<OutgoingPacket> {
    const action = this.normalise(packet.pattern);
    if (typeof action !== 'string' || action === '') {
      throw new InvalidEventError(
        `pattern must be a string that is not empty, a number or an object; got ${shown(packet.pattern)}`,
      );
    }
    const { data, metadata } = packet;
    const record = hasBrand(data, RECORD) ? (data as ElkMqRecord) : undefined;
    const headers = extraHeaders ? { ...extraHeaders, ...record?.headers } : record?.headers;
    const fields = headers || metadata ? fieldsOf(headers, metadata) : NO_FIELDS;
    const plain = record ? { ...packet, data: record.data } : packet;
    const serialized: unknown = this.serializer.serialize(plain as never, record);
    return serialized instanceof Promise
      ? serialized.then((value: unknown) => outgoing(action, value, fields, record))
      : outgoing(action, serialized, fields, record);
  }
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

/** A serializer answers a packet, whose data is the payload, or the payload's text itself. */
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
  if (json === undefined) throw new JsonDumpError(`${failed}it is ${shown(data)}`);
  return json;
}
