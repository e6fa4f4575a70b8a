/** The id of a row, as its database gives it. */
export type OutboxId = string | number | bigint;

/** A row of an outbox: an event that its transaction has recorded. */
export interface OutboxMessage<Id extends OutboxId = OutboxId> {
  /** No other row of the outbox ever has it, also after this one is gone. */
  readonly id: Id;
  /** The pattern of the event, as for `client.emit`. */
  readonly pattern: string | number | object;
  /** The payload of the event; not `null`. */
  readonly data: unknown;
  /** Strings that travel beside the payload. */
  readonly headers?: Readonly<Record<string, string>> | null | undefined;
  /** Rows with one key are sent one after another, in their order. A row that cannot be sent holds its key. */
  readonly orderingKey?: string | null | undefined;
}

/** A row whose event no queue would ever accept: without data, too large, with a wrong key. */
export interface RefusedRow<Id extends OutboxId = OutboxId> {
  readonly id: Id;
  readonly error: Error;
}

/** The rows that were sent or refused. A row that is in neither list could not be sent now, and is sent later. */
export interface SentRows<Id extends OutboxId = OutboxId> {
  /** Their events are stored. These rows can be deleted. */
  readonly sent: readonly Id[];
  /** They are refused again each time, until somebody changes or removes them. */
  readonly refused: readonly RefusedRow<Id>[];
}

/**
 * Sends the events of rows.
 * @param rows in the order in which they were written
 * @throws {InvalidOptionError} when these are no rows
 */
export type SendRows = <Id extends OutboxId>(rows: readonly OutboxMessage<Id>[]) => Promise<SentRows<Id>>;
