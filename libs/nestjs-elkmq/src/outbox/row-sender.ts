import { type EventQueueErrorCode, InvalidEventError, InvalidOptionError } from 'elkmq';
import { formatValue, readMember } from 'elkmq/internal';
import { lastValueFrom } from 'rxjs';
import type { ElkMqClient } from '../client/elk-mq.client.js';
import { ElkMqRecordBuilder } from '../message-options.js';
import type { OutboxId, OutboxMessage, RefusedRow, SentRows } from './outbox-message.js';

/** Errors of the row itself. With every other error it can be sent later. */
const FOR_GOOD = new Set<unknown>([
  'INVALID_EVENT',
  'INVALID_OPTION',
  'JSON_DUMP_FAILED',
  'PAYLOAD_TOO_LARGE',
] satisfies EventQueueErrorCode[]);

/** The rows of one call of `send`. */
interface Round<Id extends OutboxId> {
  readonly sent: Id[];
  readonly refused: RefusedRow<Id>[];
  failure: Error | undefined;
}

/** The rows that were sent or refused, and why others could not be sent now. */
export interface SendReport<Id extends OutboxId = OutboxId> extends SentRows<Id> {
  readonly failure: Error | undefined;
}

/** Makes events of rows. Each has a deduplication key, so a row that is sent twice is stored once. */
export class RowSender {
  readonly #name: string;
  readonly #client: Pick<ElkMqClient, 'emit'>;
  readonly #windowMs: number;

  /** @param name of the outbox; it is in each deduplication key */
  constructor(name: string, client: Pick<ElkMqClient, 'emit'>, windowMs: number) {
    this.#name = name;
    this.#client = client;
    this.#windowMs = windowMs;
  }

  /** @throws {InvalidOptionError} when these are no rows */
  async sendRows<Id extends OutboxId>(rows: readonly OutboxMessage<Id>[]): Promise<SendReport<Id>> {
    checkRows(rows);
    const round: Round<Id> = { sent: [], refused: [], failure: undefined };
    await Promise.all(rowsInTurn(rows).map((turn) => this.#sendInTurn(turn, round)));
    return round;
  }

  /** Sends each row when the one before it is stored. The first failure ends it, so no row overtakes. */
  async #sendInTurn<Id extends OutboxId>(
    turn: readonly OutboxMessage<Id>[],
    round: Round<Id>,
  ): Promise<void> {
    for (const row of turn) {
      try {
        await this.#sendRow(row);
      } catch (thrown) {
        const error = thrown as Error;
        if (FOR_GOOD.has(readMember(error, 'code'))) round.refused.push({ id: row.id, error });
        else round.failure = error;
        return;
      }
      round.sent.push(row.id);
    }
  }

  async #sendRow({ id, pattern, data, headers, orderingKey }: OutboxMessage): Promise<void> {
    // Nest refuses them with an error of its own, which does not tell that it is for good.
    for (const [name, value] of Object.entries({ pattern, data }))
      if (value === undefined || value === null)
        throw new InvalidEventError(`the ${name} of an event must not be ${String(value)}`);
    const record = new ElkMqRecordBuilder(data);
    record.setDeduplicationKey(`outbox:${this.#name}:${String(id)}`, this.#windowMs);
    if (headers) record.setHeaders(headers);
    if (orderingKey !== undefined && orderingKey !== null) record.setOrderingKey(orderingKey);
    await lastValueFrom(this.#client.emit(pattern, record.build()), { defaultValue: undefined });
  }
}

/** Rows of one ordering key take turns. Each other row is alone. */
function rowsInTurn<Id extends OutboxId>(rows: readonly OutboxMessage<Id>[]): OutboxMessage<Id>[][] {
  const turns: OutboxMessage<Id>[][] = [];
  const ofKey = new Map<string, OutboxMessage<Id>[]>();
  for (const row of rows) {
    const key = row.orderingKey ?? undefined;
    const turn = key === undefined ? undefined : ofKey.get(key);
    if (turn) {
      turn.push(row);
      continue;
    }
    const begun = [row];
    turns.push(begun);
    if (key !== undefined) ofKey.set(key, begun);
  }
  return turns;
}

function checkRows(rows: unknown): void {
  if (!Array.isArray(rows)) {
    throw new InvalidOptionError(`send must get an array of rows, got ${formatValue(rows)}`);
  }
  for (const row of rows as unknown[]) {
    const id = readMember(row, 'id');
    if ((typeof id === 'string' && id !== '') || typeof id === 'bigint' || Number.isSafeInteger(id)) continue;
    throw new InvalidOptionError(
      `the id of a row must be a text, a whole number up to 2 ** 53, or a bigint, got ${formatValue(id)}`,
    );
  }
}
