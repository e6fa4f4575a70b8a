import type { Deduplication } from '../model/deduplication.js';
import type { BatchWatch } from '../producer/batch.js';
import type { ProducerOptions } from '../producer/producer.js';
import type { SendBuffer } from '../producer/send-buffer.js';
import type { Connection } from '../redis/connection.js';
import type { PartitionNumber } from '../redis/partition-check.js';

export interface RequesterOptions extends ProducerOptions {
  /** The longest payload, in bytes of UTF-8. */
  readonly maxPayloadBytes: number;
}

/** The parts that the requesters of all partitions share, and those of one partition. */
export interface PartitionParts {
  readonly clientId: string;
  readonly connection: Connection;
  readonly number: PartitionNumber;
  readonly buffer: SendBuffer;
  readonly watch: BatchWatch & {
    /** Whether the partition answers, as far as the client knows. */
    readonly isAnswering: boolean;
  };
}

/** The options of one message. */
export interface MessageOptions {
  /** Further fields of the entry, name and value in turn. */
  readonly fields?: readonly string[];
  /** The delay of the message, whole ms. */
  readonly delay?: number;
  readonly deduplication?: Deduplication | undefined;
  /** See `parseOrderingKey`. */
  readonly orderingKey?: string | undefined;
}
