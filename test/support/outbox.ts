import type { OutboxMessage, SendRows } from 'nestjs-elkmq/outbox';
import type { Pool, PoolClient } from 'pg';

/** The table of docs/guides/outbox.md. */
export const OUTBOX_TABLE = `
  CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pattern      text NOT NULL,
    data         jsonb NOT NULL,
    headers      jsonb,
    ordering_key text
  )`;

/** Does `work` in a transaction, which is rolled back when it fails. */
export async function inTransaction<T>(pool: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const tx = await pool.connect();
  try {
    await tx.query('BEGIN');
    const result = await work(tx);
    await tx.query('COMMIT');
    tx.release();
    return result;
  } catch (error) {
    // A connection that is gone is not given back.
    await tx.query('ROLLBACK').then(
      () => {
        tx.release();
      },
      () => {
        tx.release(true);
      },
    );
    throw error;
  }
}

/**
 * Transfers rows as docs/guides/outbox.md does.
 * @param beforeCommit is called when the rows are sent, and their deletion is not committed
 */
export function transferOf(pool: Pool, beforeCommit: () => Promise<void> = () => Promise.resolve()) {
  return (send: SendRows, limit: number): Promise<void> =>
    inTransaction(pool, async (tx) => {
      const { rows } = await tx.query<OutboxMessage<string>>(
        'SELECT id, pattern, data, headers, ordering_key AS "orderingKey" FROM outbox ORDER BY id LIMIT $1 FOR UPDATE',
        [limit],
      );
      const { sent } = await send(rows);
      await tx.query('DELETE FROM outbox WHERE id = ANY($1)', [sent]);
      if (sent.length > 0) await beforeCommit();
    });
}
